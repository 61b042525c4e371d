;; Fifteen hundred functions, all valid.
;;= items 1500 times: (func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
