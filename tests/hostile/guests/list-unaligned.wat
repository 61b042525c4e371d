;; The list of outputs lies at an odd address.
;;= handle
(call $answer (i32.const 2049) (i32.const 1))
