;; Asks for one random byte more than it may have at once.
;;= imports: random
;;= handle
(call $random (i64.const 65537) (i32.const 2048))
