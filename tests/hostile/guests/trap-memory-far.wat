;; Reads as far outside as an instruction can reach.
;;= handle
(drop (i64.load offset=0xffffffff (i32.const -1)))
