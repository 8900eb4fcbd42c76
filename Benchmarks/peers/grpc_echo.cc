// A unary echo with gRPC C++'s asynchronous interface: one completion queue, and so many threads that take from it.
// grpc_echo PORT THREADS listens on 127.0.0.1 until SIGTERM.

#include <grpcpp/grpcpp.h>

#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "echo.grpc.pb.h"

namespace {

// One call, from waiting for it to its answer; the completion queue hands its address back after each step.
class Call {
 public:
  Call(bench::Echo::AsyncService* service, grpc::ServerCompletionQueue* queue)
      : service_(service), queue_(queue), responder_(&context_) {
    service_->RequestCall(&context_, &request_, &responder_, queue_, queue_, this);
  }

  void Proceed(bool ok) {
    if (!ok || answered_) {
      delete this;
      return;
    }
    answered_ = true;
    new Call(service_, queue_);  // for the next call
    response_.set_data(request_.data());
    responder_.Finish(response_, grpc::Status::OK, this);
  }

 private:
  bench::Echo::AsyncService* service_;
  grpc::ServerCompletionQueue* queue_;
  grpc::ServerContext context_;
  bench::Message request_, response_;
  grpc::ServerAsyncResponseWriter<bench::Message> responder_;
  bool answered_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: grpc_echo PORT THREADS\n";
    return 64;
  }
  // Before gRPC starts threads, which inherit the mask: only sigwait takes the signal.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  bench::Echo::AsyncService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return 1;

  // As many as may be asked for at once, so that none waits for another's answer to be taken.
  for (int waiting = 0; waiting < 256; ++waiting) new Call(&service, queue.get());
  std::vector<std::thread> workers;
  for (int index = 0; index < std::stoi(argv[2]); ++index) {
    workers.emplace_back([&queue] {
      void* tag;
      bool ok;
      while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
    });
  }

  int signal;
  sigwait(&ending, &signal);
  server->Shutdown();
  queue->Shutdown();
  for (std::thread& worker : workers) worker.join();
}
