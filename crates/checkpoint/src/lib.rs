//! Reads Stable Diffusion XL checkpoints: headers, layouts, names, the load plan
