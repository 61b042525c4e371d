;; Asks for more random bytes than there are atoms at hand.
;;= imports: random
;;= handle
(call $random (i64.const -1) (i32.const 2048))
