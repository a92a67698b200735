/* Counters of another thread: each is right, and they need not be of the same moment. */
#include "cmd/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/base/clock.h"

static void put_eta(char *out, size_t size, uint64_t left, double rate)
{
        out[0] = '\0';
        if (rate < 1 || left == 0)
                return;
        uint64_t s = (uint64_t)((double)left / rate);
        snprintf(out, size, ", ETA %" PRIu64 ":%02" PRIu64, s / 60, s % 60);
}

void progress_show(
        const struct cli *cli, const char *mapper, const struct run_progress *p, int64_t started_ms)
{
        static const char *const phases[] = {[RUN_STARTING] = "starting",
                [RUN_REBUILDING] = "reading what CouchDB holds",
                [RUN_READING] = "reading",
                [RUN_FINISHING] = "finishing",
                [RUN_ENDED] = "ended"};
        char line[200], eta[40] = "";

        if (!p || cli->values.quiet) {
                log_sink_progress(cli->sink, NULL);
                return;
        }
        uint64_t read = atomic_load(&p->read);
        uint64_t expected = atomic_load(&p->expected);
        int64_t elapsed = clock_monotonic_ms() - started_ms;
        double rate = elapsed > 0 ? (double)read * 1000.0 / (double)elapsed : 0;
        if (expected > read)
                put_eta(eta, sizeof(eta), expected - read, rate);
        snprintf(line, sizeof(line),
                "%s: %s, %" PRIu64 " rows, %.0f rows/s, %" PRIu64 " written, %u in flight%s",
                mapper, phases[atomic_load(&p->phase)], read, rate, atomic_load(&p->written),
                atomic_load(&p->in_flight), eta);
        log_sink_progress(cli->sink, line);
}
