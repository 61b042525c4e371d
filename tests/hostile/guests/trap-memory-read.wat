;; Reads behind the end of memory.
;;= handle
(drop (i32.load (i32.const 262144)))
