"""The two-dimensional sets of MedMNIST: names of classes and sums of files, as its authors publish them (version 3.0.2)."""

from dataclasses import dataclass

RECORD = "https://zenodo.org/records/10519652/files"
ORGANS = (
    "bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver", "lung-left", "lung-right",
    "pancreas", "spleen",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One of the sets: MD5 of its file of 28 × 28 and of 64 × 64 pixels."""

    name: str
    title: str
    about: str
    md5: str
    md5_64: str
    classes: tuple[str, ...]
    licence: str = "CC BY 4.0"


MEDMNIST = (
    Entry(
        "pathmnist", "PathMNIST", "107,180 colour patches of colon tissue, of nine kinds.",
        "a8b06965200029087d5bd730944a56c1", "55aa9c1e0525abe5a6b9d8343a507616",
        ("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa",
         "cancer-associated stroma", "colorectal adenocarcinoma epithelium"),
    ),
    Entry(
        "chestmnist", "ChestMNIST", "112,120 chest X-rays; any of 14 findings may be on one, so they are factors and no classes.",
        "02c8a6516a18b556561a56cbdd36c4a8", "9de6cd0b934ebb5b7426cfba5efbae16",
        ("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
         "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia"),
    ),
    Entry(
        "dermamnist", "DermaMNIST", "10,015 colour pictures of pigmented skin lesions, of seven kinds.",
        "0744692d530f8e62ec473284d019b0c7", "b70a2f5635c6199aeaa28c31d7202e1f",
        ("actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma", "benign keratosis-like lesions",
         "dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions"),
        "CC BY-NC 4.0",
    ),
    Entry(
        "octmnist", "OCTMNIST", "109,309 tomographies of the retina, of four kinds.",
        "c68d92d5b585d8d81f7112f81e2d0842", "e229e9440236b774d9f0dfef9d07bdaf",
        ("choroidal neovascularization", "diabetic macular edema", "drusen", "normal"),
    ),
    Entry(
        "pneumoniamnist", "PneumoniaMNIST", "5,856 chest X-rays of children, with and without pneumonia.",
        "28209eda62fecd6e6a2d98b1501bb15f", "8f4eceb4ccffa70c672198ea285246c6",
        ("normal", "pneumonia"),
    ),
    Entry(
        "retinamnist", "RetinaMNIST", "1,600 colour pictures of the retina, of five grades of retinopathy.",
        "bd4c0672f1bba3e3a89f0e4e876791e4", "afda852cc34dcda56f86ad2b2457dbcc",
        ("0", "1", "2", "3", "4"),
    ),
    Entry(
        "breastmnist", "BreastMNIST", "780 ultrasound pictures of the breast, malignant or not.",
        "750601b1f35ba3300ea97c75c52ff8f6", "742edef2a1fd1524b2efff4bd7ba9364",
        ("malignant", "normal, benign"),
    ),
    Entry(
        "bloodmnist", "BloodMNIST", "17,092 colour pictures of blood cells, of eight kinds.",
        "7053d0359d879ad8a5505303e11de1dc", "2b94928a2ae4916078ca51e05b6b800b",
        ("basophil", "eosinophil", "erythroblast", "immature granulocytes", "lymphocyte", "monocyte", "neutrophil",
         "platelet"),
    ),
    Entry(
        "tissuemnist", "TissueMNIST", "236,386 cells of the kidney cortex, of eight kinds.",
        "ebe78ee8b05294063de985d821c1c34b", "123ece2eba09d0aa5d698fda57103344",
        ("Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells",
         "Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments", "Thick Ascending Limb"),
    ),
    Entry(
        "organamnist", "OrganAMNIST", "58,830 axial slices of computed tomographies, of eleven organs.",
        "68e3f8846a6bd62f0c9bf841c0d9eacc", "2dcccc29b88e6da5a01161ef20cda288", ORGANS,
    ),
    Entry(
        "organcmnist", "OrganCMNIST", "23,583 coronal slices of computed tomographies, of eleven organs.",
        "b9ceb9546e10131b32923c5bbeaea2b1", "3ce34a8724ea6f548e6db4744d03b6a9", ORGANS,
    ),
    Entry(
        "organsmnist", "OrganSMNIST", "25,211 sagittal slices of computed tomographies, of eleven organs.",
        "9ab87b696fb54e2a387ebe992d6ed5f1", "53a6d115339d874c25e309a994ff46d3", ORGANS,
    ),
)  # fmt: skip
