"""How the bundled demo is built: `make demo`, or `python -m memlib demo`.

Each stage writes what the next one reads below assets/demo, and is skipped where its output exists:

1. images.zip          32x32 emoji on white, with a metadata.csv (file_name, group, copies, family,
                       tone)
2. model, checkpoints  a diffusers DDPMPipeline trained on the images, each repeated `copies` times,
                       and earlier states
3. extraction          pictures the model draws, by itself and attacked (DDIM, 50 steps, seed 0)
4. stochastic          which images each of 16,384 draws of the stochastic sampler came near
5. runs                the measures of every image, some for the checkpoints and for some held-out
                       images
6. frontier.csv        how short runs of volume growth rank images against a long one

and prints what the demo shows (memlib.demo.findings). The drawings are Google's Noto emoji
(Apache-2.0), as packed by emoji-datasource-google 16.0.0 (MIT).
"""
