;; Asks for more memory for ever, whatever it is told.
;;= handle
(loop $forever (drop (memory.grow (i32.const 1))) (br $forever))
