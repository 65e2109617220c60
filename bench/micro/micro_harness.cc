/* micro_harness.cc: the only C++ of the tree: hands the rows of micro.h to Google Benchmark.
 *
 *   micro [--json] [FILTER] [--benchmark_...]
 *
 * FILTER is a regular expression over the names. */
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

extern "C" {
#include "bench/micro/micro.h"
}

static const micro_row *const tables[] = {micro_base_rows, micro_record_rows, micro_proto_rows, micro_store_rows,
                                          micro_io_rows};

static void run_row(benchmark::State &state, const micro_row *row, int64_t size)
{
    micro one = {size, nullptr, 0, 0};

    row->prepare(&one, row->kind);
    while (state.KeepRunningBatch(state.max_iterations)) {
        row->run(&one, static_cast<uint64_t>(state.max_iterations));
    }
    row->finish(&one);
    if (one.bytes_per_turn != 0) {
        state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(one.bytes_per_turn));
    }
    if (one.items_per_turn != 0) {
        state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(one.items_per_turn));
    }
}

static void add_rows()
{
    for (const micro_row *table : tables) {
        for (const micro_row *row = table; row->name != nullptr; row++) {
            for (int i = 0; i < MICRO_SIZES_MAX && row->sizes[i] != 0; i++) {
                const int64_t     size = row->sizes[i];
                const std::string name = std::string(row->name) + "/" + std::to_string(size);

                benchmark::internal::Benchmark *added = benchmark::RegisterBenchmark(
                    name.c_str(), [row, size](benchmark::State &state) { run_row(state, row, size); });

                if (row->kind == MICRO_REAL_TIME) {
                    added->UseRealTime();
                }
            }
        }
    }
}

int main(int argument_count, char **arguments)
{
    std::vector<std::string> words;
    std::vector<char *>      pointers;

    for (int i = 0; i < argument_count; i++) {
        const std::string word = arguments[i];

        if (word == "--json") {
            words.push_back("--benchmark_format=json");
        } else if (i > 0 && word[0] != '-') {
            words.push_back("--benchmark_filter=" + word);
        } else {
            words.push_back(word);
        }
    }
    for (std::string &word : words) {
        pointers.push_back(&word[0]);
    }
    pointers.push_back(nullptr);
    argument_count = static_cast<int>(words.size());
    add_rows();
    benchmark::Initialize(&argument_count, pointers.data());
    if (benchmark::ReportUnrecognizedArguments(argument_count, pointers.data())) {
        return 2;
    }
    return benchmark::RunSpecifiedBenchmarks() == 0 ? 1 : 0;
}
