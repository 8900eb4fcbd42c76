// gRPC's interoperability cases (interop-test-descriptions.md) with grpc++: interop HOST:PORT CASE…
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "test.grpc.pb.h"

using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;
using namespace grpc::testing;

namespace {

const std::vector<int> kRequests = {27182, 8, 1828, 45904}, kReplies = {31415, 9, 2653, 58979};
constexpr int kLargeRequest = 271828, kLargeReply = 314159;
constexpr char kInitial[] = "x-grpc-test-echo-initial", kTrailing[] = "x-grpc-test-echo-trailing-bin";

void check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

void check_ok(const Status& status) {
  check(status.ok(), std::to_string(status.error_code()) + ": " + status.error_message());
}

std::string zeros(int size) { return std::string(size, '\0'); }

/// Every call has a deadline: a case that hangs fails.
struct Context : ClientContext {
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20)); }
};

SimpleRequest large() {
  SimpleRequest request;
  request.set_response_size(kLargeReply);
  request.mutable_payload()->set_body(zeros(kLargeRequest));
  return request;
}

StreamingOutputCallRequest output(const std::vector<int>& sizes, int payload = -1) {
  StreamingOutputCallRequest request;
  for (int size : sizes) request.add_response_parameters()->set_size(size);
  if (payload >= 0) request.mutable_payload()->set_body(zeros(payload));
  return request;
}

class Cases {
 public:
  explicit Cases(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(TestService::NewStub(channel)), unimplemented_(UnimplementedService::NewStub(channel)) {}

  void empty_unary() {
    Context context;
    Empty reply;
    check_ok(stub_->EmptyCall(&context, Empty(), &reply));
    check(reply.ByteSizeLong() == 0, "the answer is not empty");
  }

  void unary(const SimpleRequest& request, bool compressed = false) {
    Context context;
    if (compressed) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    SimpleResponse reply;
    check_ok(stub_->UnaryCall(&context, request, &reply));
    check(reply.payload().body() == zeros(kLargeReply), "not the zeros asked for");
  }

  void large_unary() { unary(large()); }

  void client_compressed_unary() {
    SimpleRequest request = large();
    request.mutable_expect_compressed()->set_value(true);
    {
      // The probe: the server must look at the flag.
      Context context;
      SimpleResponse reply;
      const Status status = stub_->UnaryCall(&context, request, &reply);
      check(status.error_code() == StatusCode::INVALID_ARGUMENT, "the probe was not refused");
    }
    unary(request, true);
    request.mutable_expect_compressed()->set_value(false);
    unary(request);
  }

  void server_compressed_unary() {
    for (bool compressed : {true, false}) {
      SimpleRequest request = large();
      request.mutable_response_compressed()->set_value(compressed);
      unary(request);
    }
  }

  void client_streaming() {
    Context context;
    StreamingInputCallResponse reply;
    auto writer = stub_->StreamingInputCall(&context, &reply);
    int sum = 0;
    for (int size : kRequests) {
      StreamingInputCallRequest request;
      request.mutable_payload()->set_body(zeros(size));
      check(writer->Write(request), "a request was not taken");
      sum += size;
    }
    writer->WritesDone();
    check_ok(writer->Finish());
    check(reply.aggregated_payload_size() == sum, "another size");
  }

  /// One call, of which the first message is compressed and the second is not.
  void client_compressed_streaming() {
    {
      Context context;
      StreamingInputCallResponse reply;
      auto probe = stub_->StreamingInputCall(&context, &reply);
      StreamingInputCallRequest request;
      request.mutable_expect_compressed()->set_value(true);
      request.mutable_payload()->set_body(zeros(27182));
      probe->Write(request);
      probe->WritesDone();
      check(probe->Finish().error_code() == StatusCode::INVALID_ARGUMENT, "the probe was not refused");
    }
    Context context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    StreamingInputCallResponse reply;
    auto writer = stub_->StreamingInputCall(&context, &reply);
    StreamingInputCallRequest request;
    request.mutable_expect_compressed()->set_value(true);
    request.mutable_payload()->set_body(zeros(27182));
    check(writer->Write(request), "the first request was not taken");
    request.mutable_expect_compressed()->set_value(false);
    request.mutable_payload()->set_body(zeros(45904));
    check(writer->Write(request, grpc::WriteOptions().set_no_compression()), "the second request was not taken");
    writer->WritesDone();
    check_ok(writer->Finish());
    check(reply.aggregated_payload_size() == 27182 + 45904, "another size");
  }

  void server_streaming() { read_all(output(kReplies), kReplies); }

  void server_compressed_streaming() {
    StreamingOutputCallRequest request = output({31415, 92653});
    request.mutable_response_parameters(0)->mutable_compressed()->set_value(true);
    request.mutable_response_parameters(1)->mutable_compressed()->set_value(false);
    read_all(request, {31415, 92653});
  }

  void ping_pong() {
    Context context;
    auto stream = stub_->FullDuplexCall(&context);
    StreamingOutputCallResponse reply;
    for (size_t place = 0; place < kRequests.size(); ++place) {
      check(stream->Write(output({kReplies[place]}, kRequests[place])), "a request was not taken");
      check(stream->Read(&reply), "no answer");
      check(reply.payload().body() == zeros(kReplies[place]), "another answer");
    }
    stream->WritesDone();
    check(!stream->Read(&reply), "an answer too many");
    check_ok(stream->Finish());
  }

  void empty_stream() {
    Context context;
    auto stream = stub_->FullDuplexCall(&context);
    stream->WritesDone();
    StreamingOutputCallResponse reply;
    check(!stream->Read(&reply), "an answer without a request");
    check_ok(stream->Finish());
  }

  void custom_metadata() {
    const std::string text = "test_initial_metadata_value", bytes = "\x0a\x0b\x0a\x0b\x0a\x0b";
    auto holds = [&](const ClientContext& context) {
      const auto& initial = context.GetServerInitialMetadata();
      const auto& trailing = context.GetServerTrailingMetadata();
      const auto first = initial.find(kInitial), last = trailing.find(kTrailing);
      check(first != initial.end() && std::string(first->second.data(), first->second.size()) == text, "no initial metadata");
      check(last != trailing.end() && std::string(last->second.data(), last->second.size()) == bytes, "no trailing metadata");
    };
    {
      Context context;
      context.AddMetadata(kInitial, text);
      context.AddMetadata(kTrailing, bytes);
      SimpleResponse reply;
      check_ok(stub_->UnaryCall(&context, large(), &reply));
      holds(context);
    }
    Context context;
    context.AddMetadata(kInitial, text);
    context.AddMetadata(kTrailing, bytes);
    auto stream = stub_->FullDuplexCall(&context);
    check(stream->Write(output({kLargeReply}, kLargeRequest)), "the request was not taken");
    stream->WritesDone();
    StreamingOutputCallResponse reply;
    check(stream->Read(&reply) && !stream->Read(&reply), "not one answer");
    check_ok(stream->Finish());
    holds(context);
  }

  void status_code_and_message() { status("test status message"); }

  void special_status_message() { status("\t\ntest with whitespace\r\nand Unicode BMP \u263A and non-BMP \U0001F608\t\n"); }

  void unimplemented_method() {
    Context context;
    Empty reply;
    check(stub_->UnimplementedCall(&context, Empty(), &reply).error_code() == StatusCode::UNIMPLEMENTED, "another status");
  }

  void unimplemented_service() {
    Context context;
    Empty reply;
    check(unimplemented_->UnimplementedCall(&context, Empty(), &reply).error_code() == StatusCode::UNIMPLEMENTED, "another status");
  }

  void cancel_after_begin() {
    Context context;
    StreamingInputCallResponse reply;
    auto writer = stub_->StreamingInputCall(&context, &reply);
    context.TryCancel();
    check(writer->Finish().error_code() == StatusCode::CANCELLED, "another status");
  }

  void cancel_after_first_response() {
    Context context;
    auto stream = stub_->FullDuplexCall(&context);
    StreamingOutputCallResponse reply;
    check(stream->Write(output({kReplies[0]}, kRequests[0])) && stream->Read(&reply), "no answer");
    context.TryCancel();
    check(stream->Finish().error_code() == StatusCode::CANCELLED, "another status");
  }

  void timeout_on_sleeping_server() {
    ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
    auto stream = stub_->FullDuplexCall(&context);
    StreamingOutputCallRequest request = output({kReplies[0]}, kRequests[0]);
    request.mutable_response_parameters(0)->set_interval_us(1000000);
    stream->Write(request);
    check(stream->Finish().error_code() == StatusCode::DEADLINE_EXCEEDED, "another status");
  }

 private:
  void read_all(const StreamingOutputCallRequest& request, const std::vector<int>& sizes) {
    Context context;
    auto reader = stub_->StreamingOutputCall(&context, request);
    StreamingOutputCallResponse reply;
    for (int size : sizes) check(reader->Read(&reply) && reply.payload().body() == zeros(size), "another answer");
    check(!reader->Read(&reply), "an answer too many");
    check_ok(reader->Finish());
  }

  void status(const std::string& message) {
    SimpleRequest request;
    request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
    request.mutable_response_status()->set_message(message);
    auto holds = [&](const Status& status) {
      check(status.error_code() == StatusCode::UNKNOWN && status.error_message() == message, "another status: " + status.error_message());
    };
    {
      Context context;
      SimpleResponse reply;
      holds(stub_->UnaryCall(&context, request, &reply));
    }
    Context context;
    auto stream = stub_->FullDuplexCall(&context);
    StreamingOutputCallRequest streamed;
    *streamed.mutable_response_status() = request.response_status();
    stream->Write(streamed);
    stream->WritesDone();
    holds(stream->Finish());
  }

  std::unique_ptr<TestService::Stub> stub_;
  std::unique_ptr<UnimplementedService::Stub> unimplemented_;
};

#define CASE(name) {#name, &Cases::name}
const std::map<std::string, void (Cases::*)()> kCases = {
    CASE(empty_unary), CASE(large_unary), CASE(client_compressed_unary), CASE(server_compressed_unary), CASE(client_streaming),
    CASE(client_compressed_streaming), CASE(server_streaming), CASE(server_compressed_streaming), CASE(ping_pong), CASE(empty_stream),
    CASE(custom_metadata), CASE(status_code_and_message), CASE(special_status_message), CASE(unimplemented_method),
    CASE(unimplemented_service), CASE(cancel_after_begin), CASE(cancel_after_first_response), CASE(timeout_on_sleeping_server),
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 64;
  bool failed = false;
  Cases cases(grpc::CreateChannel(arguments[1], grpc::InsecureChannelCredentials()));
  for (int place = 2; place < count; ++place) {
    const std::string name = arguments[place];
    try {
      (cases.*kCases.at(name))();
      std::cout << name << ": passed\n";
    } catch (const std::exception& error) {
      failed = true;
      std::cout << name << ": failed: " << error.what() << "\n";
    }
  }
  return failed ? 1 : 0;
}
