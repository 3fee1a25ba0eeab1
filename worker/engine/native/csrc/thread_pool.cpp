#include "thread_pool.hpp"

#include <sched.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <system_error>

namespace financellm {
namespace {

constexpr int kIdleSpins = 2000;  // between steps: some tens of microseconds, then the thread sleeps

// Offering the core to others costs a scheduler slice, milliseconds where another process is busy, so a thread with a
// core of its own waits about one before it yields. Threads that share cores must yield at once.
constexpr int kSpins = 30000, kSpinsWhenShared = 100;

int spins_for(int threads) {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) return kSpinsWhenShared;
  return threads <= CPU_COUNT(&cpus) ? kSpins : kSpinsWhenShared;
}

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : size_(std::max(threads, 1)), spins_(spins_for(size_)) {
  workers_.reserve(size_ - 1);
  try {
    for (int thread = 1; thread < size_; ++thread) workers_.emplace_back([this, thread] { work(thread); });
  } catch (const std::system_error&) {
    end_workers();
    throw std::runtime_error("the system gives no " + std::to_string(size_) + " threads to one process");
  }
}

ThreadPool::~ThreadPool() { end_workers(); }

void ThreadPool::end_workers() {
  stopping_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(const std::function<void(int)>& body) {
  body_ = &body;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  body(0);
  barrier();
}

void ThreadPool::barrier() {
  const unsigned phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  for (int spin = 0; phase_.load(std::memory_order_acquire) == phase; ++spin) {
    if (spin < spins_)
      relax();
    else
      sched_yield();
  }
}

void ThreadPool::work(int thread) {
  unsigned seen = 0;
  for (;;) {
    for (int spin = 0; spin < std::min(spins_, kIdleSpins) && round_.load(std::memory_order_acquire) == seen; ++spin) relax();
    round_.wait(seen, std::memory_order_acquire);
    seen = round_.load(std::memory_order_acquire);
    if (stopping_) return;
    (*body_)(thread);
    barrier();
  }
}

}  // namespace financellm
