;; The outputs lie over their own names and payloads: each is valid, none is what it seems.
;;= items
(data (i32.const 4096) "out")
;;= handle
(memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
(i32.store (i32.const 4100) (i32.const 4352)) (i32.store8 (i32.const 4132) (i32.const 1))
(i32.store (i32.const 4136) (i32.const 4096)) (i32.store (i32.const 4140) (i32.const 4096))
(call $answer (i32.const 4096) (i32.const 60))
