// One picture and its maps.
import { floats, life } from "./base.js"
import { Maps } from "./maps.js"

export class View {
  constructor(root) {
    this.maps = new Maps(root)
  }

  update(data) {
    const drawn = JSON.stringify(data)
    if (drawn === this.drawn) return
    this.drawn = drawn
    const kinds = data.kinds.map((kind) => ({ ...kind, values: floats(kind.maps) }))
    const picture = new Image()
    picture.src = data.image
    picture.decode().then(() => {
      if (this.drawn !== drawn) return
      this.maps.show({ ...data, kinds }, (context) => context.drawImage(picture, 0, 0))
    })
  }

  layout(room) {
    this.maps.layout(room)
  }
}

export default life(View)
