;; Has two memories, each well within the limit, together over it.
;;= items
(memory $other 1)
;;= handle
(if (i32.eq (memory.grow 0 (i32.const 150)) (i32.const -1)) (then (unreachable)))
(if (i32.eq (memory.grow $other (i32.const 150)) (i32.const -1)) (then (unreachable)))
