"""All-reduce of float32 by torch.distributed, timed: the rival of `yolo-ddp bench nccl --rival python`.

Needs Python 3.9 to 3.12 with `pip install torch==2.7.1 numpy`, and a GPU for each rank (with
--backend gloo none, to try the script). One process for each rank; it reads lines from stdin and
answers each with one line of JSON on stdout:

    run N SLICES BYTES  reduces SLICES slices of BYTES, one after the other, N times, and answers
                        {"ms": [N durations]}
    quit                ends

Each time every element is refilled with values of the rank and the time before the clock starts,
and verified after it has stopped. The first line is {"versions": {...}}.
"""

import argparse
import json
import sys
import time


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--device", type=int, required=True, help="the number of the GPU")
    parser.add_argument("--backend", choices=["nccl", "gloo"], default="nccl")
    parser.add_argument("--meet", required=True, help="tcp://host:port for all ranks")
    option = parser.parse_args()
    answers = sys.stdout
    # What the package prints must not get between the answers.
    sys.stdout = sys.stderr

    import torch
    import torch.distributed as dist

    on_gpu = option.backend == "nccl"
    if on_gpu:
        torch.cuda.set_device(option.device)
        device = torch.device("cuda", option.device)
    else:
        device = torch.device("cpu")

    def finish():
        if on_gpu:
            torch.cuda.synchronize()

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    dist.init_process_group(
        option.backend, init_method=option.meet, rank=option.rank, world_size=option.size
    )
    versions = {"python": sys.version.split()[0], "torch": torch.__version__}
    if on_gpu:
        versions["nccl"] = ".".join(str(part) for part in torch.cuda.nccl.version())
    answer({"versions": versions})

    factor = option.rank % 16 + 1
    total = sum(rank % 16 + 1 for rank in range(option.size))
    pattern = torch.zeros(0, device=device)
    buffer = torch.zeros(0, device=device)
    shift = 0
    for line in sys.stdin:
        words = line.split()
        if words[:1] != ["run"]:
            break
        slices = int(words[2])
        each = int(words[3]) // 4
        count = slices * each
        if buffer.numel() != count:
            # Whole numbers whose sums are below 2 to the 24, so that they are exact.
            pattern = buffer = None
            period = torch.arange(1, 1010, device=device).float()
            pattern = period.repeat((count + 97) // 1009 + 1)
            buffer = torch.zeros(count, device=device)
        parts = buffer.split(each)
        durations = []
        for _ in range(int(words[1])):
            shift = (shift + 1) % 97
            torch.mul(pattern[shift : shift + count], factor, out=buffer)
            finish()
            # Twice, so that who had to wait is awake after it.
            dist.barrier()
            dist.barrier()
            finish()
            start = time.perf_counter()
            works = [dist.all_reduce(part, async_op=True) for part in parts]
            for work in works:
                work.wait()
            finish()
            durations.append((time.perf_counter() - start) * 1000)
            for part, where in zip(parts, pattern[shift : shift + count].split(each)):
                if not torch.equal(part, where * total):
                    raise SystemExit("the result is wrong")
        answer({"ms": durations})
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
