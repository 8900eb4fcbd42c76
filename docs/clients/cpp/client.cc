// One flow from its creation to its history, with gRPC C++: client HOST:PORT

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/error_details.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "flowstate/v1/errors.pb.h"
#include "flowstate/v1/lease.grpc.pb.h"
#include "flowstate/v1/state.grpc.pb.h"

namespace {

namespace v1 = flowstate::v1;

// What every call has: who calls, and a deadline. A context serves one call.
class CallContext : public grpc::ClientContext {
 public:
  CallContext() {
    AddMetadata("flowstate-tenant", "acme");
    AddMetadata("flowstate-actor", "ada");
    set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  }
};

void Check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

// The detail of this type that an error carries, if it does.
template <typename Message>
std::optional<Message> Detail(const grpc::Status& status) {
  google::rpc::Status rich;
  if (!grpc::ExtractErrorDetails(status, &rich).ok()) return std::nullopt;
  for (const google::protobuf::Any& packed : rich.details()) {
    Message message;
    if (packed.UnpackTo(&message)) return message;
  }
  return std::nullopt;
}

void Run(const std::shared_ptr<grpc::Channel>& channel) {
  const auto flows = v1::FlowStateService::NewStub(channel);
  const auto leases = v1::FlowLeaseService::NewStub(channel);

  const auto save_state = [&flows](const v1::SaveStateRequest& request, v1::SaveStateResponse* response) {
    CallContext context;
    return flows->SaveState(&context, request, response);
  };

  // Without a flow_id the server generates one.
  v1::CreateFlowResponse created;
  {
    CallContext context;
    v1::CreateFlowRequest request;
    request.set_flow_type("order");
    request.set_state(R"({"step": 1})");
    Check(flows->CreateFlow(&context, request, &created));
  }
  std::cout << "created version " << created.version() << '\n';

  // This save succeeds only on top of the version that was read.
  v1::SaveStateRequest save;
  save.set_flow_id(created.flow_id());
  save.set_state(R"({"step": 2})");
  save.set_expected_version(created.version());
  v1::SaveStateResponse saved;
  Check(save_state(save, &saved));
  std::cout << "saved version " << saved.version() << '\n';

  // The flow is at version 2 now, so the same save is stale.
  v1::SaveStateResponse ignored;
  const grpc::Status refusal = save_state(save, &ignored);
  const auto info = Detail<google::rpc::ErrorInfo>(refusal);
  const auto conflict = Detail<v1::VersionConflict>(refusal);
  if (!info || !conflict) throw std::runtime_error("not a conflict: " + refusal.error_message());
  std::cout << "refused: " << info->reason() << ", expected " << conflict->expected() << ", actual " << conflict->actual() << '\n';

  // When an answer is lost, the same request with the same key is safe to send again: it is applied once.
  save.set_state(R"({"step": 3})");
  save.set_expected_version(saved.version());
  save.set_idempotency_key(created.flow_id() + "/step-3");
  for (int attempt = 0; attempt < 2; ++attempt) {
    Check(save_state(save, &saved));
    std::cout << (saved.replayed() ? "replayed" : "saved") << " version " << saved.version() << '\n';
  }

  v1::LoadStateResponse loaded;
  {
    CallContext context;
    v1::LoadStateRequest request;
    request.set_flow_id(created.flow_id());
    Check(flows->LoadState(&context, request, &loaded));
  }
  const std::int64_t version = loaded.snapshot().version().version();
  std::cout << "loaded version " << version << ": " << loaded.snapshot().state() << '\n';

  // The token fences this worker: once another one has the lease, a late save with this token is refused (LEASE_LOST).
  v1::AcquireLeaseResponse acquired;
  {
    CallContext context;
    v1::AcquireLeaseRequest request;
    request.set_flow_id(created.flow_id());
    request.set_holder("worker-1");
    Check(leases->AcquireLease(&context, request, &acquired));
  }
  save.set_state(R"({"step": 4})");
  save.set_expected_version(version);
  save.set_lease_token(acquired.lease().token());
  save.clear_idempotency_key();
  Check(save_state(save, &saved));
  {
    CallContext context;
    v1::ReleaseLeaseRequest request;
    request.set_flow_id(created.flow_id());
    request.set_token(acquired.lease().token());
    v1::ReleaseLeaseResponse released;
    Check(leases->ReleaseLease(&context, request, &released));
  }
  std::cout << "saved version " << saved.version() << " under a lease\n";

  // A watch has no end. This one begins with the first version and is cancelled after the one just saved.
  CallContext context;
  v1::WatchFlowsRequest request;
  request.add_flow_ids(created.flow_id());
  request.set_after_version(0);
  const auto watch = flows->WatchFlows(&context, request);
  std::int64_t watched = 0;
  v1::WatchFlowsResponse message;
  while (watched < saved.version() && watch->Read(&message)) {
    if (message.event_case() == v1::WatchFlowsResponse::kBookmark) continue;
    const v1::VersionInfo& seen = message.change().version();
    watched = seen.version();
    std::cout << "watched version " << watched << ": " << v1::VersionEvent_Name(seen.event()) << '\n';
  }
  context.TryCancel();
  const grpc::Status ended = watch->Finish();
  if (ended.error_code() != grpc::StatusCode::CANCELLED) Check(ended);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: client HOST:PORT\n";
    return EXIT_FAILURE;
  }
  try {
    Run(grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
