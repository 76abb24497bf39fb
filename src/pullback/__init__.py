"""Latent geometry of deep generative models: the companion of Ramirez (2020), 'Data Interpolation through
Deep Generative Models'.

Data flows one way: data -> models, training -> checkpoints -> geometry -> geodesics -> figures.
`geometry` and `geodesics` take any callable generator and know nothing of the models trained here.
"""
