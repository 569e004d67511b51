from debian as Base.1_x-y
run a
from base.1_x-y
cOPY --from=BASE.1_X-Y a b
