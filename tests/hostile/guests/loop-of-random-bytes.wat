;; Asks for as many random bytes as it may have, for ever.
;;= imports: random
;;= limits: host_calls = 10
;;= handle
(loop $forever
  (global.set $next (i32.const 65536))
  (call $random (i64.const 65536) (i32.const 2048))
  (br $forever))
