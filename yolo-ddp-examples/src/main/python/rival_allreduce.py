"""All-reduce of float32 by gloo, timed: the rival of `yolo-ddp bench allreduce --rival python`.

Needs Python 3.9 to 3.12 with `pip install torch==2.7.1 numpy`. One process for each rank; it reads
lines from stdin and answers each with one line of JSON on stdout:

    run N KIND BYTES    reduces N times and answers {"ms": [N durations]}; KIND is ignored
    quit                ends

Each iteration refills every element with values of the rank and the iteration before the clock
starts, and verifies every element of the result after it has stopped. The first line is
{"versions": {...}}.
"""

import argparse
import json
import os
import sys
import time


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--meet", required=True, help="a file that all ranks see")
    option = parser.parse_args()
    answers = sys.stdout
    # What the package prints must not get between the answers.
    sys.stdout = sys.stderr
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

    import torch
    import torch.distributed as dist

    torch.set_num_threads(option.threads)

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    dist.init_process_group(
        "gloo",
        init_method="file://" + os.path.abspath(option.meet),
        rank=option.rank,
        world_size=option.size,
    )
    answer({"versions": {"python": sys.version.split()[0], "torch": torch.__version__}})

    pattern = torch.zeros(0)
    buffer = torch.zeros(0)
    iteration = 0
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            break
        count = int(words[3]) // 4
        if buffer.numel() != count:
            # Whole numbers below 2 to the 24, so that their sums are exact.
            pattern = torch.arange(count).remainder(1009).float()
            buffer = torch.zeros(count)
        durations = []
        for _ in range(int(words[1])):
            iteration += 1
            shift = iteration % 97
            torch.add(pattern, shift, out=buffer).mul_(option.rank + 1)
            # Twice, so that who had to wait for the slower one's filling is awake by then.
            dist.barrier()
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(buffer)
            durations.append((time.perf_counter() - start) * 1000)
            total = option.size * (option.size + 1) // 2
            if not torch.equal(buffer, (pattern + shift).mul_(total)):
                raise SystemExit("the result is wrong")
        answer({"ms": durations})
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
