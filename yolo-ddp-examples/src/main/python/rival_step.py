"""One training step of YOLOv5 on PyTorch, timed: the rival of `yolo-ddp bench step --rival python`.

Needs Python 3.9 to 3.12 with:

    pip install torch==2.7.1 torchvision==0.22.1
    pip install --no-deps yolov5==7.0.14 ultralytics
    pip install "numpy<3" opencv-python-headless pandas pyyaml tqdm matplotlib seaborn scipy requests \
        psutil py-cpuinfo gitpython ipython "setuptools<81"

(yolov5 is AGPL-3.0; this script imports it and holds none of it.) It reads lines from stdin and
answers each with one line of JSON on stdout:

    run N    takes N steps and answers {"ms": [N durations], "memory": {"resident": MB, "peak": MB, "faulted": MB a step}};
             memory is empty where the system doesn't tell
    quit     ends

The first line, {"versions": {...}}, comes when everything is warm.
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import time


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cfg", default="yolov5n", help="yolov5n, s, m, l or x")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--boxes", type=int, default=8, help="boxes in each image")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=5, help="steps before the first timed one")
    parser.add_argument("--channels-last", action="store_true", help="as shipped is NCHW")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    return parser.parse_args()


class Step:
    """What YOLOv5's training does with one batch, without loading and logging."""

    def __init__(self, option):
        import torch
        import yolov5
        from yolov5.models.yolo import Model
        from yolov5.utils.loss import ComputeLoss
        from yolov5.utils.torch_utils import ModelEMA, smart_optimizer

        self.torch = torch
        torch.set_num_threads(option.threads)
        torch.manual_seed(0)
        self.format = torch.channels_last if option.channels_last else torch.contiguous_format
        config = os.path.join(os.path.dirname(yolov5.__file__), "models", option.cfg + ".yaml")
        self.model = Model(config, ch=3, nc=80).to(memory_format=self.format)
        self.model.nc = 80
        self.model.hyp = {
            "box": 0.05,
            "obj": (option.imgsz / 640) ** 2,
            "cls": 0.5,
            "cls_pw": 1.0,
            "obj_pw": 1.0,
            "fl_gamma": 0.0,
            "anchor_t": 4.0,
            "label_smoothing": 0.0,
        }
        self.optimizer = smart_optimizer(self.model, "SGD", 0.01, 0.937, 0.0005)
        self.average = ModelEMA(self.model)
        self.loss = ComputeLoss(self.model)
        self.bf16 = option.bf16
        self.images = torch.randint(
            0, 256, (option.batch, 3, option.imgsz, option.imgsz), dtype=torch.uint8
        )
        self.targets = self.boxes(option.batch, option.boxes)
        self.model.train()
        self.versions = {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "yolov5": getattr(yolov5, "__version__", "?"),
        }

    def boxes(self, batch, count):
        """Rows of image, class, centre x and y, width, height."""
        torch = self.torch
        rows = torch.rand(batch * count, 6)
        rows[:, 0] = torch.arange(batch).repeat_interleave(count)
        rows[:, 1] = torch.randint(0, 80, (batch * count,))
        rows[:, 4:] = 0.05 + 0.4 * rows[:, 4:]
        rows[:, 2:4] = rows[:, 4:] / 2 + rows[:, 2:4] * (1 - rows[:, 4:])
        return rows

    def after_backward(self):
        """What rival_ranks.py replaces by a barrier."""

    def __call__(self):
        torch = self.torch
        images = self.images.float() / 255
        if self.format is torch.channels_last:
            images = images.to(memory_format=self.format)
        autocast = (
            torch.autocast("cpu", dtype=torch.bfloat16)
            if self.bf16
            else contextlib.nullcontext()
        )
        with autocast:
            loss, _ = self.loss(self.model(images), self.targets)
        loss.backward()
        self.after_backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=10.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.model)


def memory():
    """What Linux tells of this process, in MB."""
    try:
        with open("/proc/self/status") as status:
            lines = dict(line.split(":", 1) for line in status)
    except OSError:
        return {}
    return {
        name: int(lines[key].split()[0]) / 1024
        for name, key in (("resident", "VmRSS"), ("peak", "VmHWM"))
    }


def main():
    option = options()
    answers = sys.stdout
    # What the package prints must not get between the answers.
    sys.stdout = sys.stderr

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    import torch  # noqa: F401, since its libraries count as memory that is there before
    import yolov5.models.yolo  # noqa: F401

    before = memory().get("resident")
    step = Step(option)
    for _ in range(option.warmup):
        step()
    answer({"versions": step.versions, "memory": {} if before is None else {"before": before}})
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        durations = []
        faulted = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(int(words[1])):
            start = time.perf_counter()
            step()
            durations.append((time.perf_counter() - start) * 1000)
        faulted = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faulted
        megabytes = faulted * resource.getpagesize() / 1048576 / len(durations)
        answer({"ms": durations, "memory": {**memory(), "faulted": megabytes}})


if __name__ == "__main__":
    main()
