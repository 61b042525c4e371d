;; Moves half of its memory, by one byte, two hundred times without a loop or a call in between.
;;= handle
(drop (memory.grow (i32.const 240)))
;;= handle 200 times: (memory.copy (i32.const 4097) (i32.const 4096) (i32.const 15900000))
