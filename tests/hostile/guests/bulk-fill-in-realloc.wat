;; Fills its memory two hundred times when the host asks for room for the message.
;;= memory: 240
;;= realloc 200 times: (memory.fill (i32.const 4096) (i32.const 1) (i32.const 15700000))
