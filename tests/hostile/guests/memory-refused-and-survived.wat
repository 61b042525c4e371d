;; Is refused 4 GiB and does without.
;;= handle
(drop (memory.grow (i32.const 65000)))
