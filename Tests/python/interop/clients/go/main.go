// Command interop runs gRPC's interoperability cases (interop-test-descriptions.md) with grpc-go: interop HOST:PORT CASE…
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example.com/interop/testpb"
)

const (
	largeRequest, largeReply = 271828, 314159
	initialKey, trailingKey  = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
)

var requests, replies = []int{27182, 8, 1828, 45904}, []int{31415, 9, 2653, 58979}

type cases struct {
	ctx           context.Context
	stub          pb.TestServiceClient
	unimplemented pb.UnimplementedServiceClient
}

var all = map[string]func(cases) error{
	"empty_unary": cases.emptyUnary, "large_unary": cases.largeUnary, "client_compressed_unary": cases.clientCompressedUnary,
	"server_compressed_unary": cases.serverCompressedUnary, "client_streaming": cases.clientStreaming,
	"server_streaming": cases.serverStreaming, "server_compressed_streaming": cases.serverCompressedStreaming,
	"ping_pong": cases.pingPong, "empty_stream": cases.emptyStream, "custom_metadata": cases.customMetadata,
	"status_code_and_message": cases.statusCodeAndMessage, "special_status_message": cases.specialStatusMessage,
	"unimplemented_method": cases.unimplementedMethod, "unimplemented_service": cases.unimplementedService,
	"cancel_after_begin": cases.cancelAfterBegin, "cancel_after_first_response": cases.cancelAfterFirstResponse,
	"timeout_on_sleeping_server": cases.timeoutOnSleepingServer,
}

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := 0
	for _, name := range os.Args[2:] {
		// Every call has a deadline: a case that hangs fails.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if err := all[name](cases{ctx, pb.NewTestServiceClient(conn), pb.NewUnimplementedServiceClient(conn)}); err != nil {
			fmt.Printf("%s: failed: %v\n", name, err)
			code = 1
		} else {
			fmt.Printf("%s: passed\n", name)
		}
		cancel()
	}
	os.Exit(code)
}

func (c cases) emptyUnary() error {
	_, err := c.stub.EmptyCall(c.ctx, &pb.Empty{})
	return err
}

func large() *pb.SimpleRequest {
	return &pb.SimpleRequest{ResponseSize: largeReply, Payload: payload(largeRequest)}
}

func payload(size int) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

func (c cases) unary(request *pb.SimpleRequest, options ...grpc.CallOption) error {
	reply, err := c.stub.UnaryCall(c.ctx, request, options...)
	if err != nil {
		return err
	}
	return size(reply.GetPayload(), largeReply)
}

func size(payload *pb.Payload, wanted int) error {
	if found := len(payload.GetBody()); found != wanted {
		return fmt.Errorf("%d bytes instead of %d", found, wanted)
	}
	return nil
}

func (c cases) largeUnary() error { return c.unary(large()) }

func (c cases) clientCompressedUnary() error {
	request := large()
	request.ExpectCompressed = &pb.BoolValue{Value: true}
	// The probe: the server must look at the flag.
	if err := is(codes.InvalidArgument, c.unary(request)); err != nil {
		return err
	}
	return c.unary(request, grpc.UseCompressor(gzip.Name))
}

func (c cases) serverCompressedUnary() error {
	for _, compressed := range []bool{true, false} {
		request := large()
		request.ResponseCompressed = &pb.BoolValue{Value: compressed}
		if err := c.unary(request); err != nil {
			return err
		}
	}
	return nil
}

func (c cases) clientStreaming() error {
	stream, err := c.stub.StreamingInputCall(c.ctx)
	if err != nil {
		return err
	}
	sum := 0
	for _, each := range requests {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: payload(each)}); err != nil {
			return err
		}
		sum += each
	}
	reply, err := stream.CloseAndRecv()
	if err == nil && int(reply.GetAggregatedPayloadSize()) != sum {
		err = fmt.Errorf("an aggregated size of %d", reply.GetAggregatedPayloadSize())
	}
	return err
}

func output(payload *pb.Payload, sizes ...int) *pb.StreamingOutputCallRequest {
	request := &pb.StreamingOutputCallRequest{Payload: payload}
	for _, each := range sizes {
		request.ResponseParameters = append(request.ResponseParameters, &pb.ResponseParameters{Size: int32(each)})
	}
	return request
}

func (c cases) readAll(request *pb.StreamingOutputCallRequest, sizes []int) error {
	stream, err := c.stub.StreamingOutputCall(c.ctx, request)
	if err != nil {
		return err
	}
	for _, wanted := range sizes {
		reply, err := stream.Recv()
		if err == nil {
			err = size(reply.GetPayload(), wanted)
		}
		if err != nil {
			return err
		}
	}
	_, err = stream.Recv()
	return ended(err)
}

func ended(err error) error {
	if err != io.EOF {
		return fmt.Errorf("the end is missing: %v", err)
	}
	return nil
}

func (c cases) serverStreaming() error { return c.readAll(output(nil, replies...), replies) }

func (c cases) serverCompressedStreaming() error {
	request := output(nil, 31415, 92653)
	for place, compressed := range []bool{true, false} {
		request.ResponseParameters[place].Compressed = &pb.BoolValue{Value: compressed}
	}
	return c.readAll(request, []int{31415, 92653})
}

func (c cases) pingPong() error {
	stream, err := c.stub.FullDuplexCall(c.ctx)
	if err != nil {
		return err
	}
	for place := range requests {
		if err := stream.Send(output(payload(requests[place]), replies[place])); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err == nil {
			err = size(reply.GetPayload(), replies[place])
		}
		if err != nil {
			return err
		}
	}
	stream.CloseSend()
	_, err = stream.Recv()
	return ended(err)
}

func (c cases) emptyStream() error {
	stream, err := c.stub.FullDuplexCall(c.ctx)
	if err != nil {
		return err
	}
	stream.CloseSend()
	_, err = stream.Recv()
	return ended(err)
}

func (c cases) customMetadata() error {
	bytes := "\x0a\x0b\x0a\x0b\x0a\x0b"
	c.ctx = metadata.AppendToOutgoingContext(c.ctx, initialKey, "test_initial_metadata_value", trailingKey, bytes)
	holds := func(initial, trailing metadata.MD) error {
		if values := initial[initialKey]; len(values) != 1 || values[0] != "test_initial_metadata_value" {
			return fmt.Errorf("initial metadata: %v", initial)
		}
		if values := trailing[trailingKey]; len(values) != 1 || values[0] != bytes {
			return fmt.Errorf("trailing metadata: %v", trailing)
		}
		return nil
	}
	var initial, trailing metadata.MD
	err := c.unary(large(), grpc.Header(&initial), grpc.Trailer(&trailing))
	if err == nil {
		err = holds(initial, trailing)
	}
	if err != nil {
		return err
	}
	stream, err := c.stub.FullDuplexCall(c.ctx)
	if err != nil {
		return err
	}
	stream.Send(output(payload(largeRequest), largeReply))
	stream.CloseSend()
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if _, err = stream.Recv(); err != io.EOF {
		return ended(err)
	}
	if initial, err = stream.Header(); err != nil {
		return err
	}
	return holds(initial, stream.Trailer())
}

func is(code codes.Code, err error) error {
	if status.Code(err) != code {
		return fmt.Errorf("%v instead of %v", err, code)
	}
	return nil
}

func (c cases) status(message string) error {
	wanted := &pb.EchoStatus{Code: int32(codes.Unknown), Message: message}
	holds := func(err error) error {
		if status.Code(err) != codes.Unknown || status.Convert(err).Message() != message {
			return fmt.Errorf("another status: %v", err)
		}
		return nil
	}
	_, err := c.stub.UnaryCall(c.ctx, &pb.SimpleRequest{ResponseStatus: wanted})
	if err = holds(err); err != nil {
		return err
	}
	stream, err := c.stub.FullDuplexCall(c.ctx)
	if err != nil {
		return err
	}
	stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: wanted})
	stream.CloseSend()
	_, err = stream.Recv()
	return holds(err)
}

func (c cases) statusCodeAndMessage() error { return c.status("test status message") }

func (c cases) specialStatusMessage() error {
	return c.status("\t\ntest with whitespace\r\nand Unicode BMP \u263A and non-BMP \U0001F608\t\n")
}

func (c cases) unimplementedMethod() error {
	_, err := c.stub.UnimplementedCall(c.ctx, &pb.Empty{})
	return is(codes.Unimplemented, err)
}

func (c cases) unimplementedService() error {
	_, err := c.unimplemented.UnimplementedCall(c.ctx, &pb.Empty{})
	return is(codes.Unimplemented, err)
}

func (c cases) cancelAfterBegin() error {
	ctx, cancel := context.WithCancel(c.ctx)
	stream, err := c.stub.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	cancel()
	_, err = stream.CloseAndRecv()
	return is(codes.Canceled, err)
}

func (c cases) cancelAfterFirstResponse() error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	stream, err := c.stub.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	stream.Send(output(payload(requests[0]), replies[0]))
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	_, err = stream.Recv()
	return is(codes.Canceled, err)
}

func (c cases) timeoutOnSleepingServer() error {
	ctx, cancel := context.WithTimeout(c.ctx, time.Millisecond)
	defer cancel()
	stream, err := c.stub.FullDuplexCall(ctx)
	if err != nil {
		return is(codes.DeadlineExceeded, err)
	}
	request := output(payload(requests[0]), replies[0])
	request.ResponseParameters[0].IntervalUs = 1000000
	stream.Send(request)
	_, err = stream.Recv()
	return is(codes.DeadlineExceeded, err)
}
