/* placeholder */ export default {render(){}}
