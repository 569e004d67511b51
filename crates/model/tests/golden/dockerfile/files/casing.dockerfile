from debian as Base
run a
copy --FROM=x y
