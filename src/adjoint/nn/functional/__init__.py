"""What layers and losses compute, as functions of tensors: PyTorch's names and arguments."""

from adjoint import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d,
    adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool3d as adaptive_max_pool3d,
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
    fold as fold,
    log_softmax as log_softmax,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
    relu as relu,
    sigmoid as sigmoid,
    softmax as softmax,
    tanh as tanh,
    unfold as unfold,
)
from adjoint.nn.activation_functions import (
    celu as celu,
    elu as elu,
    gelu as gelu,
    glu as glu,
    gumbel_softmax as gumbel_softmax,
    hardshrink as hardshrink,
    hardsigmoid as hardsigmoid,
    hardswish as hardswish,
    hardtanh as hardtanh,
    leaky_relu as leaky_relu,
    logsigmoid as logsigmoid,
    mish as mish,
    prelu as prelu,
    relu6 as relu6,
    selu as selu,
    silu as silu,
    softmin as softmin,
    softplus as softplus,
    softshrink as softshrink,
    softsign as softsign,
    tanhshrink as tanhshrink,
    threshold as threshold,
)
from adjoint.nn.attend import (
    attention_weights as attention_weights,
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from adjoint.nn.balance import (
    importance_loss as importance_loss,
    load_balancing_loss as load_balancing_loss,
    router_z_loss as router_z_loss,
    top_k_gates as top_k_gates,
)
from adjoint.nn.drop import (
    alpha_dropout as alpha_dropout,
    dropout as dropout,
    dropout1d as dropout1d,
    dropout2d as dropout2d,
    dropout3d as dropout3d,
)
from adjoint.nn.embed import (
    embedding as embedding,
    embedding_bag as embedding_bag,
)
from adjoint.nn.linear import (
    bilinear as bilinear,
    linear as linear,
)
from adjoint.nn.loss_binary import (
    binary_cross_entropy as binary_cross_entropy,
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    hinge_embedding_loss as hinge_embedding_loss,
    soft_margin_loss as soft_margin_loss,
)
from adjoint.nn.loss_class import (
    cross_entropy as cross_entropy,
    kl_div as kl_div,
    multi_margin_loss as multi_margin_loss,
    nll_loss as nll_loss,
    one_hot as one_hot,
)
from adjoint.nn.loss_ctc import ctc_loss as ctc_loss
from adjoint.nn.loss_distance import (
    cosine_embedding_loss as cosine_embedding_loss,
    cosine_similarity as cosine_similarity,
    margin_ranking_loss as margin_ranking_loss,
    normalize as normalize,
    pairwise_distance as pairwise_distance,
    triplet_margin_loss as triplet_margin_loss,
)
from adjoint.nn.loss_value import (
    gaussian_nll_loss as gaussian_nll_loss,
    huber_loss as huber_loss,
    l1_loss as l1_loss,
    mse_loss as mse_loss,
    poisson_nll_loss as poisson_nll_loss,
    smooth_l1_loss as smooth_l1_loss,
)
from adjoint.nn.normalize import (
    group_norm as group_norm,
    layer_norm as layer_norm,
    local_response_norm as local_response_norm,
    rms_norm as rms_norm,
)
from adjoint.nn.normalize_batch import batch_norm as batch_norm, instance_norm as instance_norm
from adjoint.nn.pools import (
    lp_pool1d as lp_pool1d,
    lp_pool2d as lp_pool2d,
)
from adjoint.nn.recur import (
    gru_cell as gru_cell,
    lstm_cell as lstm_cell,
    rnn_cell as rnn_cell,
)
from adjoint.nn.resample import (
    interpolate as interpolate,
    pad as pad,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
)
from adjoint.nn.rotate import (
    rotary as rotary,
    rotary_angles as rotary_angles,
    sinusoidal as sinusoidal,
)
