// Command orders takes one flow from its creation to its history, with grpc-go: orders HOST:PORT
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	flowstatev1 "example.com/orders/flowstate/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: orders HOST:PORT")
	}
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	// Every call says who calls, and has a deadline.
	ctx := metadata.AppendToOutgoingContext(context.Background(), "flowstate-tenant", "acme", "flowstate-actor", "ada")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := run(ctx, conn); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, conn grpc.ClientConnInterface) error {
	flows := flowstatev1.NewFlowStateServiceClient(conn)
	leases := flowstatev1.NewFlowLeaseServiceClient(conn)

	// Without a FlowId the server generates one.
	created, err := flows.CreateFlow(ctx, &flowstatev1.CreateFlowRequest{FlowType: "order", State: []byte(`{"step": 1}`)})
	if err != nil {
		return err
	}
	flowID := created.GetFlowId()
	fmt.Printf("created version %d\n", created.GetVersion())

	// This save succeeds only on top of the version that was read.
	save := saveRequest(flowID, `{"step": 2}`, created.GetVersion())
	saved, err := flows.SaveState(ctx, save)
	if err != nil {
		return err
	}
	fmt.Printf("saved version %d\n", saved.GetVersion())

	// The flow is at version 2 now, so the same save is stale.
	if _, err = flows.SaveState(ctx, save); err == nil {
		return errors.New("a stale save was accepted")
	}
	reason, conflict := explain(err)
	if conflict == nil {
		return err
	}
	fmt.Printf("refused: %s, expected %d, actual %d\n", reason, conflict.GetExpected(), conflict.GetActual())

	// When an answer is lost, the same request with the same key is safe to send again: it is applied once.
	save = saveRequest(flowID, `{"step": 3}`, saved.GetVersion())
	save.IdempotencyKey = flowID + "/step-3"
	for attempt := 0; attempt < 2; attempt++ {
		if saved, err = flows.SaveState(ctx, save); err != nil {
			return err
		}
		done := "saved"
		if saved.GetReplayed() {
			done = "replayed"
		}
		fmt.Printf("%s version %d\n", done, saved.GetVersion())
	}

	loaded, err := flows.LoadState(ctx, &flowstatev1.LoadStateRequest{FlowId: flowID})
	if err != nil {
		return err
	}
	snapshot := loaded.GetSnapshot()
	fmt.Printf("loaded version %d: %s\n", snapshot.GetVersion().GetVersion(), snapshot.GetState())

	// The token fences this worker: once another one has the lease, a late save with this token is refused (LEASE_LOST).
	acquired, err := leases.AcquireLease(ctx, &flowstatev1.AcquireLeaseRequest{FlowId: flowID, Holder: "worker-1"})
	if err != nil {
		return err
	}
	token := acquired.GetLease().GetToken()
	save = saveRequest(flowID, `{"step": 4}`, snapshot.GetVersion().GetVersion())
	save.LeaseToken = token
	if saved, err = flows.SaveState(ctx, save); err != nil {
		return err
	}
	if _, err = leases.ReleaseLease(ctx, &flowstatev1.ReleaseLeaseRequest{FlowId: flowID, Token: token}); err != nil {
		return err
	}
	fmt.Printf("saved version %d under a lease\n", saved.GetVersion())

	return watch(ctx, flows, flowID, saved.GetVersion())
}

// watch prints the versions of a flow from the first one to last.
func watch(ctx context.Context, flows flowstatev1.FlowStateServiceClient, flowID string, last int64) error {
	// A watch has no end; this one is cancelled on return.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := flows.WatchFlows(ctx, &flowstatev1.WatchFlowsRequest{
		FlowIds: []string{flowID},
		Start:   &flowstatev1.WatchFlowsRequest_AfterVersion{AfterVersion: 0},
	})
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		version := message.GetChange().GetVersion()
		if version == nil {
			continue // a bookmark
		}
		fmt.Printf("watched version %d: %s\n", version.GetVersion(), version.GetEvent())
		if version.GetVersion() == last {
			return nil
		}
	}
}

// saveRequest is a save that succeeds only if the flow is at the expected version.
func saveRequest(flowID, state string, expected int64) *flowstatev1.SaveStateRequest {
	return &flowstatev1.SaveStateRequest{
		FlowId:       flowID,
		Change:       &flowstatev1.SaveStateRequest_State{State: []byte(state)},
		Precondition: &flowstatev1.SaveStateRequest_ExpectedVersion{ExpectedVersion: expected},
	}
}

// explain returns the reason that an error carries, and the conflict if it is one.
func explain(err error) (reason string, conflict *flowstatev1.VersionConflict) {
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = detail.GetReason()
		case *flowstatev1.VersionConflict:
			conflict = detail
		}
	}
	return reason, conflict
}
