;; Fills all the memory it may have, again and again, in instructions that never end by themselves.
;;= handle
(drop (memory.grow (i32.const 240)))
(loop $forever
  (memory.fill (i32.const 4096) (i32.const 1) (i32.const 15900000))
  (br $forever))
