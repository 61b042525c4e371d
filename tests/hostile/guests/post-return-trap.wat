;; Answers well, and dies while it tidies up.
;;= post-return
(unreachable)
