"""Writes the names of ImageNet's 1000 classes as torchvision's weights have them (meta["categories"]).
Run: python tests/golden/imagenet_classes.py > src/weights/imagenet_classes.inc"""

from torchvision.models import ResNet18_Weights

names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
assert len(names) == 1000
print("/* Written by tests/golden/imagenet_classes.py. */")
for name in names:
    print('"%s",' % name.replace("\\", "\\\\").replace('"', '\\"'))
