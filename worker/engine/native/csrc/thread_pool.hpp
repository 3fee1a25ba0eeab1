// A fixed team of threads that runs one function together, with barriers inside it.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace financellm {

class ThreadPool {
 public:
  // Throws std::runtime_error where the system gives no so many threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls body(thread) on every thread, the caller being thread 0; returns when all have ended. body must not throw.
  void run(const std::function<void(int)>& body);

  // Waits until every thread of the running body has arrived.
  void barrier();

 private:
  void work(int thread);
  void end_workers();

  const int size_;
  const int spins_;
  const std::function<void(int)>* body_ = nullptr;
  bool stopping_ = false;
  alignas(64) std::atomic<unsigned> round_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> phase_{0};
  std::vector<std::thread> workers_;
};

}  // namespace financellm
