;; Grows its memory before the first message until it gets no more, and dies of it.
;;= items
(func $start (loop $more (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable))) (br $more)))
(start $start)
