;; Fills all its memory two hundred times without a loop or a call in between, where nothing looks at the time.
;;= handle
(drop (memory.grow (i32.const 240)))
;;= handle 200 times: (memory.fill (i32.const 4096) (i32.const 1) (i32.const 15900000))
