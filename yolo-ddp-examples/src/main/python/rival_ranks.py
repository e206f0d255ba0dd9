"""Training steps of several ranks on PyTorch, timed: the rival of `yolo-ddp bench scaling`.

Needs what `rival_step.py --help` names (yolov5 only for --model=yolov5*). Ranks are processes, which
meet over gloo. It reads lines from stdin and answers each with one line of JSON on stdout:

    run N independent     N steps of ranks that don't know of each other
    run N barrier-only    N steps of ranks that wait for each other after backward
    run N full            N steps of DistributedDataParallel
    quit                  ends

The answer {"ms": [N durations]} holds means over the ranks. The first line, {"versions": {...}},
comes when everything is warm.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time

VARIANTS = ("independent", "barrier-only", "full")


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mlp", help="mlp, or yolov5n, s, m, l or x")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8, help="of one rank")
    parser.add_argument("--boxes", type=int, default=8, help="boxes in each image")
    parser.add_argument("--mlp-width", type=int, default=1024)
    parser.add_argument("--mlp-layers", type=int, default=6)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of one rank")
    parser.add_argument("--warmup", type=int, default=5, help="steps before the first timed one")
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


class MlpStep:
    """Linear layers of one width, on noise: what `MlpTask` is in Java, with a fused optimizer."""

    def __init__(self, option):
        import torch

        self.torch = torch
        torch.manual_seed(option.rank)
        layers = []
        for index in range(option.mlp_layers):
            layers += [torch.nn.ReLU()] if index else []
            layers += [torch.nn.Linear(option.mlp_width, option.mlp_width)]
        self.model = torch.nn.Sequential(*layers)
        self.after_backward = lambda: None
        self.parameters = list(self.model.parameters())
        self.average = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.SGD(
            self.parameters, 0.01, 0.937, weight_decay=0.0005, nesterov=True, fused=True
        )
        self.data = torch.rand(option.batch, option.mlp_width) - 0.5
        self.classes = torch.randint(0, option.mlp_width, (option.batch,))
        self.versions = {"python": sys.version.split()[0], "torch": torch.__version__}

    def __call__(self):
        torch = self.torch
        loss = torch.nn.functional.cross_entropy(self.model(self.data), self.classes)
        loss.backward()
        self.after_backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, max_norm=10.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1e-4)


def make(option, variant):
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    if option.model == "mlp":
        step = MlpStep(option)
    else:
        from rival_step import Step

        option.cfg, option.channels_last, option.bf16 = option.model, True, False
        step = Step(option)
    if variant == "full":
        step.model = DistributedDataParallel(step.model)
    if variant == "barrier-only":
        step.after_backward = dist.barrier
    for _ in range(option.warmup):
        step()
    return step


def join(option):
    """The steps of one rank by variant."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(option.threads)
    dist.init_process_group("gloo", rank=option.rank, world_size=option.ranks)
    return {variant: make(option, variant) for variant in VARIANTS}


def timed(step, count):
    durations = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        durations.append((time.perf_counter() - start) * 1000)
    return durations


def others(option):
    """Starts the other ranks: this script, each with a pipe for what to do and one for answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    return [
        subprocess.Popen(
            [sys.executable, *sys.argv, f"--rank={rank}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for rank in range(1, option.ranks)
    ]


def main():
    option = options()
    answers = sys.stdout
    # What the packages print must not get between the answers.
    sys.stdout = sys.stderr

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    ranks = others(option) if option.rank == 0 else []
    try:
        steps = join(option)
        for rank in ranks:
            json.loads(rank.stdout.readline())
        answer({"versions": steps["full"].versions})
        for line in sys.stdin:
            words = line.split()
            if words == ["quit"]:
                return
            for rank in ranks:
                rank.stdin.write(line)
            durations = [timed(steps[words[2]], int(words[1]))]
            durations += [json.loads(rank.stdout.readline())["ms"] for rank in ranks]
            answer({"ms": [sum(each) / len(each) for each in zip(*durations)]})
    finally:
        for rank in ranks:
            rank.stdin.close()
        for rank in ranks:
            try:
                rank.wait(timeout=10)
            except subprocess.TimeoutExpired:
                rank.kill()


if __name__ == "__main__":
    main()
