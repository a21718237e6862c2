"""Layers, losses and initialisers: modules that hold parameters and define the forward pass."""

from adjoint.nn import functional as functional, init as init
from adjoint.nn.activation import (
    GELU as GELU,
    LogSigmoid as LogSigmoid,
    Mish as Mish,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softplus as Softplus,
    Softsign as Softsign,
    Tanh as Tanh,
    Tanhshrink as Tanhshrink,
)
from adjoint.nn.activation_axis import (
    GLU as GLU,
    LogSoftmax as LogSoftmax,
    Softmax as Softmax,
    Softmin as Softmin,
)
from adjoint.nn.adaptive_pooling import (
    AdaptiveAvgPool1d as AdaptiveAvgPool1d,
    AdaptiveAvgPool2d as AdaptiveAvgPool2d,
    AdaptiveAvgPool3d as AdaptiveAvgPool3d,
    AdaptiveMaxPool1d as AdaptiveMaxPool1d,
    AdaptiveMaxPool2d as AdaptiveMaxPool2d,
    AdaptiveMaxPool3d as AdaptiveMaxPool3d,
)
from adjoint.nn.attention import (
    MultiHeadAttention as MultiHeadAttention,
    MultiheadAttention as MultiheadAttention,
)
from adjoint.nn.batch_normalization import (
    BatchNorm1d as BatchNorm1d,
    BatchNorm2d as BatchNorm2d,
    BatchNorm3d as BatchNorm3d,
    InstanceNorm1d as InstanceNorm1d,
    InstanceNorm2d as InstanceNorm2d,
    InstanceNorm3d as InstanceNorm3d,
)
from adjoint.nn.borders import (
    CircularPad1d as CircularPad1d,
    CircularPad2d as CircularPad2d,
    CircularPad3d as CircularPad3d,
    ConstantPad1d as ConstantPad1d,
    ConstantPad2d as ConstantPad2d,
    ConstantPad3d as ConstantPad3d,
    ReflectionPad1d as ReflectionPad1d,
    ReflectionPad2d as ReflectionPad2d,
    ReflectionPad3d as ReflectionPad3d,
    ReplicationPad1d as ReplicationPad1d,
    ReplicationPad2d as ReplicationPad2d,
    ReplicationPad3d as ReplicationPad3d,
    ZeroPad1d as ZeroPad1d,
    ZeroPad2d as ZeroPad2d,
    ZeroPad3d as ZeroPad3d,
)
from adjoint.nn.containers import (
    ModuleDict as ModuleDict,
    ModuleList as ModuleList,
    ParameterDict as ParameterDict,
    ParameterList as ParameterList,
    Sequential as Sequential,
)
from adjoint.nn.convolution import (
    Conv1d as Conv1d,
    Conv2d as Conv2d,
    Conv3d as Conv3d,
)
from adjoint.nn.convolution_transpose import (
    ConvTranspose1d as ConvTranspose1d,
    ConvTranspose2d as ConvTranspose2d,
    ConvTranspose3d as ConvTranspose3d,
)
from adjoint.nn.dropout import (
    AlphaDropout as AlphaDropout,
    Dropout as Dropout,
    Dropout1d as Dropout1d,
    Dropout2d as Dropout2d,
    Dropout3d as Dropout3d,
)
from adjoint.nn.embedding import (
    Embedding as Embedding,
    EmbeddingBag as EmbeddingBag,
)
from adjoint.nn.gpt import GPT as GPT
from adjoint.nn.gpt_blocks import GPTConfig as GPTConfig
from adjoint.nn.hooks import HookHandle as HookHandle
from adjoint.nn.linear import (
    Bilinear as Bilinear,
    Flatten as Flatten,
    Identity as Identity,
    Linear as Linear,
    Unflatten as Unflatten,
)
from adjoint.nn.loss_binary_layers import (
    BCELoss as BCELoss,
    BCEWithLogitsLoss as BCEWithLogitsLoss,
    HingeEmbeddingLoss as HingeEmbeddingLoss,
    SoftMarginLoss as SoftMarginLoss,
)
from adjoint.nn.loss_class_layers import (
    CrossEntropyLoss as CrossEntropyLoss,
    KLDivLoss as KLDivLoss,
    MultiMarginLoss as MultiMarginLoss,
    NLLLoss as NLLLoss,
)
from adjoint.nn.loss_ctc_layers import CTCLoss as CTCLoss
from adjoint.nn.loss_distance_layers import (
    CosineEmbeddingLoss as CosineEmbeddingLoss,
    CosineSimilarity as CosineSimilarity,
    MarginRankingLoss as MarginRankingLoss,
    PairwiseDistance as PairwiseDistance,
    TripletMarginLoss as TripletMarginLoss,
)
from adjoint.nn.loss_value_layers import (
    GaussianNLLLoss as GaussianNLLLoss,
    HuberLoss as HuberLoss,
    L1Loss as L1Loss,
    MSELoss as MSELoss,
    PoissonNLLLoss as PoissonNLLLoss,
    SmoothL1Loss as SmoothL1Loss,
)
from adjoint.nn.mixture import (
    MixtureOfExperts as MixtureOfExperts,
)
from adjoint.nn.module import Module as Module
from adjoint.nn.normalization import (
    GroupNorm as GroupNorm,
    LayerNorm as LayerNorm,
    LocalResponseNorm as LocalResponseNorm,
    RMSNorm as RMSNorm,
)
from adjoint.nn.parameter import Parameter as Parameter
from adjoint.nn.pooling import (
    AvgPool1d as AvgPool1d,
    AvgPool2d as AvgPool2d,
    AvgPool3d as AvgPool3d,
    LPPool1d as LPPool1d,
    LPPool2d as LPPool2d,
    MaxPool1d as MaxPool1d,
    MaxPool2d as MaxPool2d,
    MaxPool3d as MaxPool3d,
)
from adjoint.nn.position import (
    LearnedPositions as LearnedPositions,
    RotaryPositions as RotaryPositions,
    SinusoidalPositions as SinusoidalPositions,
)
from adjoint.nn.rectifiers import (
    CELU as CELU,
    ELU as ELU,
    SELU as SELU,
    Hardshrink as Hardshrink,
    Hardsigmoid as Hardsigmoid,
    Hardswish as Hardswish,
    Hardtanh as Hardtanh,
    LeakyReLU as LeakyReLU,
    PReLU as PReLU,
    ReLU as ReLU,
    ReLU6 as ReLU6,
    Softshrink as Softshrink,
    Threshold as Threshold,
)
from adjoint.nn.recurrent import (
    GRU as GRU,
    LSTM as LSTM,
    RNN as RNN,
)
from adjoint.nn.recurrent_cells import (
    GRUCell as GRUCell,
    LSTMCell as LSTMCell,
    RNNCell as RNNCell,
)
from adjoint.nn.resampling import (
    Fold as Fold,
    PixelShuffle as PixelShuffle,
    PixelUnshuffle as PixelUnshuffle,
    Unfold as Unfold,
    Upsample as Upsample,
    UpsamplingBilinear2d as UpsamplingBilinear2d,
    UpsamplingNearest2d as UpsamplingNearest2d,
)
from adjoint.nn.state import LoadResult as LoadResult
from adjoint.nn.transformer import (
    Transformer as Transformer,
    TransformerDecoder as TransformerDecoder,
    TransformerEncoder as TransformerEncoder,
)
from adjoint.nn.transformer_layers import (
    TransformerDecoderLayer as TransformerDecoderLayer,
    TransformerEncoderLayer as TransformerEncoderLayer,
)
