"""A search: any picture compared with the training images and the generated images."""

import streamlit as st

from memlib.extraction import Generations
from memlib.extraction.matches import TrainingSet
from memlib.neighbours import nearest
from memlib.workspace import Workspace
from pages.figures.pictures import data_url, enlarge, rgb
from pages.ranking.facts import short
from pages.ranking.view import uploaded
from pages.session.messages import plain

SHOWN, SIDE = 8, 96  # pictures in a row, and the width of each in pixels


def search(
    loaded: Workspace, generations: Generations, training: TrainingSet, mirrored: bool
) -> None:
    """Draw the training images and the generated images nearest to a picture of the visitor's
    choice.
    """
    st.caption(
        "Upload a picture: its nearest training images, and the generated images nearest to it."
    )
    members = training.members.tolist()
    picture = uploaded(loaded)
    if picture is None:
        place = st.selectbox(
            "Or a training image",
            members,
            format_func=loaded.images.names.__getitem__,
            key="query_name",
        )
        query, title = loaded.images[place], loaded.images.names[place]
    else:
        query, title = picture.image, picture.name
    st.text(title)
    st.image(
        data_url(enlarge(rgb(query), SIDE)),
        caption="the picture",
        alt="The picture to search for",
    )
    pools = {
        "Nearest training images": loaded.images.subset(members),
        "Nearest generated images": generations.images,
    }
    for caption, pool in pools.items():
        found = nearest(query[None], pool, min(SHOWN, len(pool)), mirrored=mirrored)
        st.caption(caption)
        places, distances = found.index[0].tolist(), found.distance[0].tolist()
        for column, place, distance in zip(st.columns(SHOWN), places, distances, strict=False):
            column.image(
                data_url(enlarge(rgb(pool[place]), SIDE)),
                caption=f"{plain(short(pool.names[place]))}  {distance:.3f}",
                alt=f"{caption}, distance {distance:.3f}",
            )
