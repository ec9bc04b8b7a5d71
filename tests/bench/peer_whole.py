"""What tests/bench/run times as whole processes, in PyTorch, written as its tutorials do it. Prints one line at most.

    peer_whole.py first WEIGHTS PICTURE THREADS          classifies one picture
    peer_whole.py usual WEIGHTS DATA OUT EPOCHS THREADS  trains a head on a frozen backbone; prints the seconds of an epoch
    peer_whole.py cached WEIGHTS DATA OUT EPOCHS THREADS the same, with the backbone's features computed once, by hand
    peer_whole.py head SAMPLES THREADS                   some training steps of the head alone, on random numbers

WEIGHTS is a ResNet-18's state dict, DATA has train/ and val/ with a folder for each class.
"""
import sys
import time

import torch
import torchvision
from torchvision import transforms


def backbone(weights):
    net = torchvision.models.resnet18()
    net.load_state_dict(torch.load(weights))
    return net


def preprocessing():
    return transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                               transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def first(weights, picture):
    from PIL import Image
    net = backbone(weights).eval()
    x = preprocessing()(Image.open(picture).convert("RGB")).unsqueeze(0)
    with torch.no_grad():
        torch.softmax(net(x), 1).topk(5)


def frozen(net, classes):
    """In evaluation throughout: the frozen batch normalisation keeps its statistics, as ours does."""
    for parameter in net.parameters():
        parameter.requires_grad = False
    net.fc = torch.nn.Linear(512, classes)
    return net.eval()


def loader(data, part, threads, shuffle):
    # As many processes that read pictures as threads: PyTorch warns of more than there are processors.
    folder = torchvision.datasets.ImageFolder(f"{data}/{part}", preprocessing())
    return torch.utils.data.DataLoader(folder, batch_size=16, shuffle=shuffle, num_workers=int(threads))


def train_epoch(net, batches, optimizer):
    for x, y in batches:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()


def accuracy(net, batches):
    right = count = 0
    with torch.no_grad():
        for x, y in batches:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    return right / count


def usual(weights, data, out, epochs, threads):
    net = frozen(backbone(weights), 2)
    train, val = loader(data, "train", threads, True), loader(data, "val", threads, False)
    optimizer = torch.optim.Adam(net.fc.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(int(epochs)):
        train_epoch(net, train, optimizer)
        accuracy(net, val)
    print(f"{(time.perf_counter() - start) / int(epochs):.3f}")
    torch.save(net.state_dict(), out)


def features(net, batches):
    with torch.no_grad():
        pairs = [(net(x), y) for x, y in batches]
    return torch.utils.data.TensorDataset(torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs]))


def cached(weights, data, out, epochs, threads):
    net = frozen(backbone(weights), 2)
    head, net.fc = net.fc, torch.nn.Identity()
    train, val = (features(net, loader(data, part, threads, False)) for part in ("train", "val"))
    batches = torch.utils.data.DataLoader(train, batch_size=16, shuffle=True)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    for _ in range(int(epochs)):
        train_epoch(head, batches, optimizer)
        accuracy(head, torch.utils.data.DataLoader(val, batch_size=16))
    net.fc = head
    torch.save(net.state_dict(), out)


def head(samples):
    net = frozen(torchvision.models.resnet18(), 1000)
    optimizer = torch.optim.SGD(net.fc.parameters(), lr=0.001, momentum=0.9)
    x, y = torch.rand(int(samples), 3, 224, 224), torch.randint(0, 1000, (int(samples),))
    train_epoch(net, [(x, y)] * 3, optimizer)


def main():
    kind, *rest, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    work = {"first": first, "head": head, "usual": usual, "cached": cached}[kind]
    work(*rest, threads) if kind in ("usual", "cached") else work(*rest)


main()
