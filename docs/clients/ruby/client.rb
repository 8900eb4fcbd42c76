# frozen_string_literal: true

# One flow from its creation to its history, with the gem grpc: ruby -I . client.rb HOST:PORT

require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "grpc"

require "flowstate/v1/lease_services_pb"
require "flowstate/v1/state_services_pb"

V1 = Flowstate::V1

# Every call says who calls, and has a deadline.
def call
  { metadata: { "flowstate-tenant" => "acme", "flowstate-actor" => "ada" }, deadline: Time.now + 10 }
end

# The detail of this type that an error carries, or nil.
def detail(error, type)
  error.to_rpc_status&.details&.find { |packed| packed.is(type) }&.unpack(type)
end

address = ARGV.fetch(0)
flows = V1::FlowStateService::Stub.new(address, :this_channel_is_insecure)
leases = V1::FlowLeaseService::Stub.new(address, :this_channel_is_insecure)

# Without a flow_id the server generates one.
created = flows.create_flow(V1::CreateFlowRequest.new(flow_type: "order", state: '{"step": 1}'), **call)
flow_id = created.flow_id
puts "created version #{created.version}"

# This save succeeds only on top of the version that was read.
save = V1::SaveStateRequest.new(flow_id: flow_id, state: '{"step": 2}', expected_version: created.version)
saved = flows.save_state(save, **call)
puts "saved version #{saved.version}"

# The flow is at version 2 now, so the same save is stale.
begin
  flows.save_state(save, **call)
  abort "a stale save was accepted"
rescue GRPC::Aborted => error
  info = detail(error, Google::Rpc::ErrorInfo)
  conflict = detail(error, V1::VersionConflict)
  puts "refused: #{info.reason}, expected #{conflict.expected}, actual #{conflict.actual}"
end

# When an answer is lost, the same request with the same key is safe to send again: it is applied once.
save = V1::SaveStateRequest.new(
  flow_id: flow_id, state: '{"step": 3}', expected_version: saved.version, idempotency_key: "#{flow_id}/step-3"
)
2.times do
  saved = flows.save_state(save, **call)
  puts "#{saved.replayed ? 'replayed' : 'saved'} version #{saved.version}"
end

snapshot = flows.load_state(V1::LoadStateRequest.new(flow_id: flow_id), **call).snapshot
puts "loaded version #{snapshot.version.version}: #{snapshot.state}"

# The token fences this worker: once another one has the lease, a late save with this token is refused (LEASE_LOST).
lease = leases.acquire_lease(V1::AcquireLeaseRequest.new(flow_id: flow_id, holder: "worker-1"), **call).lease
save = V1::SaveStateRequest.new(
  flow_id: flow_id, state: '{"step": 4}', expected_version: snapshot.version.version, lease_token: lease.token
)
saved = flows.save_state(save, **call)
leases.release_lease(V1::ReleaseLeaseRequest.new(flow_id: flow_id, token: lease.token), **call)
puts "saved version #{saved.version} under a lease"

# A watch has no end. This one begins with the first version and is cancelled after the one just saved.
watch = flows.watch_flows(V1::WatchFlowsRequest.new(flow_ids: [flow_id], after_version: 0), return_op: true, **call)
watch.execute.each do |message|
  next if message.event == :bookmark

  version = message.change.version
  puts "watched version #{version.version}: #{version.event}"
  break if version.version == saved.version
end
watch.cancel
