;; The answer is neither done nor failed.
;;= handle
(i32.store8 (i32.const 1024) (i32.const 7))
