;; Grows its memory for the message until it gets no more, and dies of it.
;;= realloc
(loop $more (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable))) (br $more))
