;; Shares its memory with threads.
;;= items
(memory $shared 1 1 shared)
;;= handle
(drop (i32.atomic.rmw.add $shared (i32.const 0) (i32.const 1)))
