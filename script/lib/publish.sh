# How the program is published. To be sourced after build.sh, with the repository's root as the working folder.

# Below out/ as below /usr: bin/kedge, lib/kedge/LEVEL/kedge for the levels of x86-64 above the first, and the symbols of each where
# debuggers look for them, by build ID.
readonly staged=out/.publish

# publish_native: compiled ahead of time, which needs no .NET to run.
publish_native() {
    local total=1 done=0 level
    local -a levels=()
    [[ $(uname -m) == x86_64 ]] && levels=(v3 v4)
    total=$((total + ${#levels[@]}))

    echo "Compiling bin/kedge, 1 of $total native programs; all take about two minutes"
    build build src/Kedge -p:Native=true
    # What it lacks is in the others, and what they lack is in it: see src/Kedge/Startup/PacketProgram.cs.
    publish_level bin "${levels[0]:+x86-64-v2}"
    for level in "${levels[@]}"; do
        echo "Compiling lib/kedge/$level/kedge"
        publish_level "lib/kedge/$level" "x86-64-$level" -p:CarriesPacketsOnly=true
    done
}

# publish_level FOLDER INSTRUCTION_SET [OPTION...]: one native program.
publish_level() {
    local folder=$staged/$1 set=$2 id known
    shift 2
    # Libraries that read types by reflection which trimming may have removed, in code of theirs that Kedge never calls:
    # Microsoft.Data.Sqlite finds its native library and Windows' folders so, and a reader's types. Any other is an error.
    known='Microsoft\.Data\.Sqlite\.dll : warning IL2104'
    build publish src/Kedge --no-build -p:Native=true -p:IlcInstructionSet="$set" "$@" -o "$folder" |
        awk -v known="$known" '/warning IL/ { if ($0 ~ known) next; bad = 1 } { print } END { exit bad }'
    id=$(readelf -n "$folder/kedge" | sed -n 's/.*Build ID: //p')
    mkdir -p "$staged/lib/debug/.build-id/${id:0:2}"
    mv "$folder/kedge.dbg" "$staged/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
}

# publish_managed WHY: one file that needs the .NET and ASP.NET Core runtimes.
publish_managed() {
    echo "There is no native program: $1. Publishing the one that needs .NET to run."
    build publish src/Kedge -o "$staged/bin"
}
