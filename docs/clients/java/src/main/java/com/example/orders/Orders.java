package com.example.orders;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import dev.flowstate.v1.AcquireLeaseRequest;
import dev.flowstate.v1.CreateFlowRequest;
import dev.flowstate.v1.FlowLeaseServiceGrpc;
import dev.flowstate.v1.FlowLeaseServiceGrpc.FlowLeaseServiceBlockingStub;
import dev.flowstate.v1.FlowStateServiceGrpc;
import dev.flowstate.v1.FlowStateServiceGrpc.FlowStateServiceBlockingStub;
import dev.flowstate.v1.LoadStateRequest;
import dev.flowstate.v1.ReleaseLeaseRequest;
import dev.flowstate.v1.SaveStateRequest;
import dev.flowstate.v1.VersionConflict;
import dev.flowstate.v1.VersionInfo;
import dev.flowstate.v1.WatchFlowsRequest;
import dev.flowstate.v1.WatchFlowsResponse;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** One flow from its creation to its history, with gRPC Java: Orders HOST:PORT. */
public final class Orders {
  private final FlowStateServiceBlockingStub flows;
  private final FlowLeaseServiceBlockingStub leases;

  private Orders(ManagedChannel channel) {
    // Every call says who calls.
    Metadata caller = new Metadata();
    caller.put(Metadata.Key.of("flowstate-tenant", Metadata.ASCII_STRING_MARSHALLER), "acme");
    caller.put(Metadata.Key.of("flowstate-actor", Metadata.ASCII_STRING_MARSHALLER), "ada");
    var interceptor = MetadataUtils.newAttachHeadersInterceptor(caller);
    flows = FlowStateServiceGrpc.newBlockingStub(channel).withInterceptors(interceptor);
    leases = FlowLeaseServiceGrpc.newBlockingStub(channel).withInterceptors(interceptor);
  }

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
    try {
      new Orders(channel).run();
    } finally {
      channel.shutdown().awaitTermination(10, TimeUnit.SECONDS);
    }
  }

  /** The stub with a deadline for the next call. */
  private FlowStateServiceBlockingStub flows() {
    return flows.withDeadlineAfter(10, TimeUnit.SECONDS);
  }

  private FlowLeaseServiceBlockingStub leases() {
    return leases.withDeadlineAfter(10, TimeUnit.SECONDS);
  }

  private void run() throws InvalidProtocolBufferException {
    // Without a flow id the server generates one.
    var created = flows().createFlow(CreateFlowRequest.newBuilder().setFlowType("order").setState(step(1)).build());
    String flowId = created.getFlowId();
    System.out.println("created version " + created.getVersion());

    // This save succeeds only on top of the version that was read.
    var save =
        SaveStateRequest.newBuilder().setFlowId(flowId).setState(step(2)).setExpectedVersion(created.getVersion()).build();
    var saved = flows().saveState(save);
    System.out.println("saved version " + saved.getVersion());

    // The flow is at version 2 now, so the same save is stale.
    try {
      flows().saveState(save);
      throw new IllegalStateException("a stale save was accepted");
    } catch (StatusRuntimeException error) {
      ErrorInfo info = detail(error, ErrorInfo.class).orElseThrow(() -> error);
      VersionConflict conflict = detail(error, VersionConflict.class).orElseThrow(() -> error);
      System.out.printf(
          "refused: %s, expected %d, actual %d%n", info.getReason(), conflict.getExpected(), conflict.getActual());
    }

    // When an answer is lost, the same request with the same key is safe to send again: it is applied once.
    save =
        SaveStateRequest.newBuilder()
            .setFlowId(flowId)
            .setState(step(3))
            .setExpectedVersion(saved.getVersion())
            .setIdempotencyKey(flowId + "/step-3")
            .build();
    for (int attempt = 0; attempt < 2; attempt++) {
      saved = flows().saveState(save);
      System.out.println((saved.getReplayed() ? "replayed" : "saved") + " version " + saved.getVersion());
    }

    var snapshot = flows().loadState(LoadStateRequest.newBuilder().setFlowId(flowId).build()).getSnapshot();
    long version = snapshot.getVersion().getVersion();
    System.out.println("loaded version " + version + ": " + snapshot.getState().toStringUtf8());

    // The token fences this worker: once another one has the lease, a late save with this token is refused (LEASE_LOST).
    var acquire = AcquireLeaseRequest.newBuilder().setFlowId(flowId).setHolder("worker-1").build();
    long token = leases().acquireLease(acquire).getLease().getToken();
    save =
        SaveStateRequest.newBuilder()
            .setFlowId(flowId)
            .setState(step(4))
            .setExpectedVersion(version)
            .setLeaseToken(token)
            .build();
    saved = flows().saveState(save);
    leases().releaseLease(ReleaseLeaseRequest.newBuilder().setFlowId(flowId).setToken(token).build());
    System.out.println("saved version " + saved.getVersion() + " under a lease");

    watch(flowId, saved.getVersion());
  }

  /** Prints the versions of a flow from the first to the last one. A watch has no end: this one is cancelled. */
  private void watch(String flowId, long last) {
    var request = WatchFlowsRequest.newBuilder().addFlowIds(flowId).setAfterVersion(0).build();
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      context.run(
          () -> {
            Iterator<WatchFlowsResponse> messages = flows().watchFlows(request);
            VersionInfo version = VersionInfo.getDefaultInstance();
            while (version.getVersion() < last && messages.hasNext()) {
              WatchFlowsResponse message = messages.next();
              if (message.hasBookmark()) {
                continue;
              }
              version = message.getChange().getVersion();
              System.out.println("watched version " + version.getVersion() + ": " + version.getEvent());
            }
          });
    }
  }

  /** The detail of this type that an error carries, if it does. */
  private static <T extends Message> Optional<T> detail(StatusRuntimeException error, Class<T> type)
      throws InvalidProtocolBufferException {
    for (var packed : StatusProto.fromThrowable(error).getDetailsList()) {
      if (packed.is(type)) {
        return Optional.of(packed.unpack(type));
      }
    }
    return Optional.empty();
  }

  private static ByteString step(int number) {
    return ByteString.copyFromUtf8("{\"step\": " + number + "}");
  }
}
