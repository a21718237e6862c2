"""Datasets, loaders and readers: from files and arrays to batches."""

from adjoint.data.column import Column as Column
from adjoint.data.containers import collate as collate
from adjoint.data.csv_file import read_csv as read_csv, write_csv as write_csv
from adjoint.data.dataset import (
    ArrayDataset as ArrayDataset,
    ConcatDataset as ConcatDataset,
    Dataset as Dataset,
    MapDataset as MapDataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
)
from adjoint.data.digits import digits as digits
from adjoint.data.errors import DataError as DataError, MissingExtra as MissingExtra
from adjoint.data.features import FeatureEncoder as FeatureEncoder
from adjoint.data.frames import read_parquet as read_parquet
from adjoint.data.images import ImageFolder as ImageFolder, read_image as read_image
from adjoint.data.loader import DataLoader as DataLoader
from adjoint.data.numpy_file import read_npy as read_npy, read_npz as read_npz
from adjoint.data.samplers import (
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    WeightedSampler as WeightedSampler,
)
from adjoint.data.split import (
    random_split as random_split,
    stratified_split as stratified_split,
)
from adjoint.data.table import Table as Table
from adjoint.data.target import TargetEncoder as TargetEncoder
from adjoint.data.text import (
    ByteVocabulary as ByteVocabulary,
    CharVocabulary as CharVocabulary,
    TextDataset as TextDataset,
    Vocabulary as Vocabulary,
    read_text as read_text,
)
from adjoint.data.tokenizer import Tokenizer as Tokenizer
