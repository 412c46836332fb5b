// A program of any number of replicates: a kernel with a block for each, and the host's side of it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>
#if __has_include(<sys/prctl.h>)
#include <csignal>
#include <sys/prctl.h>
#endif
#include "step.h"

// What a launch gets. The state is as in its file: for every array that of all replicates.
struct Job {
    char *state, *global, *frames;
    Trial* trials;
    int *counts, *recorded;
    int64_t replicates, first, steps, every, frame_bytes, capacity;
    int learn, number_recorded;
};

static __device__ const int bytes[] = ARRAY_BYTES, offset[] = ARRAY_OFFSET;
static __device__ const bool own[] = ARRAY_OWN, shared[] = ARRAY_SHARED;

static __device__ void copy(char* const to, const char* const from, const int bytes)
{
    for (int k = THREAD; k < bytes/4; k += THREADS) ((int32_t*)to)[k] = ((const int32_t*)from)[k];
}

// A function of its own, which keeps registers of the kernel free.
static __device__ __noinline__ void record(
        const Job& job, char* const global_memory, const int64_t r, const int64_t step)
{
    const int64_t earlier = (job.first + job.every - 1)/job.every;
    char* to = job.frames + (step/job.every - earlier)*job.frame_bytes + sizeof(int64_t);
    for (int k = 0; k < job.number_recorded; k++) {
        const int a = job.recorded[k];
        const char* const place = (shared[a] ? shared_memory : global_memory) + offset[a];
        if (own[a] || r == 0) copy(to + (own[a] ? r*bytes[a] : 0), place, bytes[a]);
        to += (own[a] ? job.replicates : 1)*bytes[a];
    }
}

// The job stays where the launch put it; otherwise every thread would have a copy for `record`.
__global__ void __launch_bounds__(THREADS, BLOCKS) advance(const __grid_constant__ Job job)
{
    const int64_t r = blockIdx.x;
    char* const global_memory = job.global + r*GLOBAL_BYTES;
    int64_t before = 0;
    for (int a = 0; a < ARRAYS; a++) {
        char* const place = (shared[a] ? shared_memory : global_memory) + offset[a];
        copy(place, job.state + before + r*bytes[a], bytes[a]);
        before += job.replicates*bytes[a];
    }
    __syncthreads();
    int trials = 0;
    for (int64_t step = job.first; step < job.first + job.steps; step++) {
        if (job.learn) learn(global_memory, step);
        else evaluate(global_memory, step);
        if (THREAD == 0 && ended(global_memory))
            job.trials[r*job.capacity + trials++] = trial(global_memory, step);
        if (job.every && step % job.every == 0) {
            __syncthreads();
            record(job, global_memory, r, step);
            __syncthreads();
        }
    }
    if (THREAD == 0) job.counts[r] = trials;
    __syncthreads();
    before = 0;
    for (int a = 0; a < ARRAYS; a++) {
        const char* const place = (shared[a] ? shared_memory : global_memory) + offset[a];
        copy(job.state + before + r*bytes[a], place, bytes[a]);
        before += job.replicates*bytes[a];
    }
}

// The host's side -----------------------------------------------------------------------------------

// Bytes that the card holds back of trials, and of frames, before they are fetched.
#ifndef BUFFER
#define BUFFER (1 << 28)
#endif
// A display's watchdog ends a kernel that takes too long.
static const double LAUNCH_SECONDS = 0.25;

static void check(const cudaError_t error, const char* const what)
{
    if (error == cudaSuccess) return;
    fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
    exit(7);
}

template <typename T> static T* on_card(const int64_t number, const char* const what)
{
    T* found = nullptr;
    check(cudaMalloc((void**)&found, std::max<int64_t>(number, 1)*sizeof(T)), what);
    return found;
}

static bool put(FILE* const file, const void* const from, const size_t bytes)
{
    return fwrite(from, 1, bytes, file) == bytes;
}

static double now()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9*time.tv_nsec;
}

int main(int argc, char** argv)
{
    // argv: state in, state out, replicates, first step, steps, learn (0 or 1; 2 more where trials tell
    // their place in the state instead of their replicate), record every, frames, trials, names...
#ifdef PR_SET_PDEATHSIG
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (argc < 10) {
        fprintf(stderr, "usage: see bgrl.backends.cuda\n");
        return 2;
    }
    const int sizes[] = ARRAY_BYTES;
    const bool per_replicate[] = ARRAY_OWN;
    const int64_t replicates = atoll(argv[3]), end = atoll(argv[4]) + atoll(argv[5]);
    int64_t total = 0;
    for (int a = 0; a < ARRAYS; a++) total += replicates*sizes[a];
    std::vector<char> state(total);
    FILE* const state_in = fopen(argv[1], "rb");
    if (!state_in || (int64_t)fread(state.data(), 1, total, state_in) != total || fgetc(state_in) != EOF) {
        fprintf(stderr, "state file does not fit\n");
        return 3;
    }
    Job job = {};
    job.replicates = replicates;
    job.learn = atoi(argv[6]) & 1;
    const bool places = atoi(argv[6]) & 2;
    job.every = atoll(argv[7]);
    job.frame_bytes = sizeof(int64_t);
    std::vector<int> recorded;
    for (int k = 10; k < argc; k++)
        for (int a = 0; a < ARRAYS; a++)
            if (!strcmp(NAMES[a], argv[k])) {
                recorded.push_back(a);
                job.frame_bytes += (per_replicate[a] ? replicates : 1)*sizes[a];
            }
    if ((int)recorded.size() != argc - 10) {
        fprintf(stderr, "unknown array to record\n");
        return 4;
    }
    FILE *const frames = fopen(argv[8], "ab"), *const trials = fopen(argv[9], "ab");
    bool written = frames && trials;

    // The most steps of a launch: their trials and frames have to fit. A trial may end in every step.
    const int64_t all = end - atoll(argv[4]), of_step = replicates*(int64_t)sizeof(Trial);
    job.capacity = std::min(all, std::max<int64_t>(1, BUFFER/of_step));
    const int64_t most_frames = std::min(all, std::max<int64_t>(1, BUFFER/job.frame_bytes));
    job.number_recorded = recorded.size();
    const char* const memory = "memory of the card for the state of all replicates";
    job.state = on_card<char>(total, memory);
    job.global = on_card<char>(replicates*GLOBAL_BYTES, memory);
    job.frames = on_card<char>(job.every ? most_frames*job.frame_bytes : 0, "memory for frames");
    job.trials = on_card<Trial>(replicates*job.capacity, "memory for trials");
    job.counts = on_card<int>(replicates, memory);
    job.recorded = on_card<int>(recorded.size(), memory);
    check(cudaMemcpy(job.state, state.data(), total, cudaMemcpyHostToDevice), "sending the state");
    check(cudaMemcpy(job.recorded, recorded.data(), recorded.size()*sizeof(int),
                     cudaMemcpyHostToDevice), "sending what is recorded");
    check(cudaFuncSetAttribute(advance, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED_BYTES),
          "shared memory for a replicate");

    std::vector<char> got_frames;
    std::vector<int> counts(replicates);
    std::vector<Trial> got, ordered;
    int64_t steps = 1;
    for (job.first = atoll(argv[4]); job.first < end; job.first += job.steps) {
        job.steps = std::min({steps, job.capacity, end - job.first});
        if (job.every) {
            // Up to the step before the first frame that would not fit.
            const int64_t earlier = (job.first + job.every - 1)/job.every;
            job.steps = std::min(job.steps, (earlier + most_frames)*job.every - job.first);
        }
        const double started = now();
        void* arguments[] = {&job};
        check(cudaLaunchKernel(advance, dim3(replicates), dim3(THREADS), arguments, SHARED_BYTES),
              "starting the kernel");
        check(cudaDeviceSynchronize(), "running the kernel");
        const double factor = LAUNCH_SECONDS/std::max(now() - started, 1e-6);
        steps = std::max<int64_t>(1, job.steps*std::min(factor, 8.0));

        check(cudaMemcpy(counts.data(), job.counts, replicates*sizeof(int), cudaMemcpyDeviceToHost),
              "fetching the numbers of trials");
        const int64_t most = *std::max_element(counts.begin(), counts.end());
        if (most) {
            got.resize(replicates*most);
            check(cudaMemcpy2D(got.data(), most*sizeof(Trial), job.trials,
                               job.capacity*sizeof(Trial), most*sizeof(Trial), replicates,
                               cudaMemcpyDeviceToHost), "fetching trials");
            ordered.clear();
            for (int64_t r = 0; r < replicates; r++) {
                for (int k = 0; places && k < counts[r]; k++) got[r*most + k].replicate = r;
                ordered.insert(ordered.end(), &got[r*most], &got[r*most] + counts[r]);
            }
            std::stable_sort(ordered.begin(), ordered.end(),
                             [](const Trial& a, const Trial& b) { return a.step < b.step; });
            written = written && put(trials, ordered.data(), ordered.size()*sizeof(Trial));
        }
        if (job.every) {
            const int64_t first = (job.first + job.every - 1)/job.every;
            const int64_t last = (job.first + job.steps + job.every - 1)/job.every;
            got_frames.resize((last - first)*job.frame_bytes);
            check(cudaMemcpy(got_frames.data(), job.frames, got_frames.size(),
                             cudaMemcpyDeviceToHost), "fetching frames");
            for (int64_t k = first; k < last; k++) {
                const int64_t step = k*job.every;
                memcpy(&got_frames[(k - first)*job.frame_bytes], &step, sizeof(step));
            }
            written = written && put(frames, got_frames.data(), got_frames.size());
        }
    }
    check(cudaMemcpy(state.data(), job.state, total, cudaMemcpyDeviceToHost), "fetching the state");
    FILE* const state_out = fopen(argv[2], "wb");
    written = written && state_out && put(state_out, state.data(), total);
    if (!written || fclose(state_out) || fclose(frames) || fclose(trials)) {
        fprintf(stderr, "could not write the results\n");
        return 5;
    }
    return 0;
}
