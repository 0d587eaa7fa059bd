"""The table of lowerings: operator -> how it becomes steps. An operator without an entry runs in NumPy."""
from . import (lower_choose, lower_conv, lower_conv_transpose, lower_convert, lower_elementwise, lower_matrix,
               lower_order, lower_pad, lower_picture, lower_rows, lower_shape)

RULES = {**lower_elementwise.RULES, **lower_shape.RULES, **lower_picture.RULES, **lower_rows.RULES,
         **lower_matrix.RULES, **lower_conv.RULES, **lower_conv_transpose.RULES, **lower_convert.RULES,
         **lower_choose.RULES, **lower_order.RULES, **lower_pad.RULES}
