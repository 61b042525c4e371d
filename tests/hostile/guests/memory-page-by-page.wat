;; Grows by a page until it gets no more, and dies of it.
;;= handle
(loop $more (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable))) (br $more))
