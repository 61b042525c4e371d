;; Answers well, and never comes back from tidying up.
;;= post-return
(loop $forever (br $forever))
