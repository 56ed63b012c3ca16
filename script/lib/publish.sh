# How the program is published. To be sourced after build.sh, with the repository's root as the working folder.
#
# A tree of programs is laid out as /usr is: bin/kedge, lib/kedge/LEVEL/kedge for the levels of x86-64 above the first, and the symbols
# of each where debuggers look for them, by build ID.

# machine_architecture: this machine's, as .NET names it.
machine_architecture() {
    case $(uname -m) in
        x86_64) echo x64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# publish_native ARCHITECTURE TREE: compiled ahead of time, which needs no .NET to run. For another architecture than this machine's it
# needs the cross compiler of that.
publish_native() {
    local architecture=$1 tree=$2 level
    local -a target=(-p:Native=true) levels=()
    if [[ $architecture == x64 ]]; then
        levels=(v3 v4)
    fi
    if [[ $architecture != "$(machine_architecture)" ]]; then
        target+=(-p:UseCurrentRuntimeIdentifier=false "-p:RuntimeIdentifier=linux-$architecture")
        target+=("-p:CppCompilerAndLinker=$PWD/script/lib/aarch64-linker" -p:ObjCopyName=aarch64-linux-gnu-objcopy)
    fi

    echo "Compiling the native program for $architecture, 1 of $((1 + ${#levels[@]})); together they take about two minutes"
    build build src/Kedge "${target[@]}"
    compile "$tree" bin "${target[@]}" "-p:IlcInstructionSet=${levels:+x86-64-v2}"
    for level in "${levels[@]}"; do
        echo "Compiling the program for x86-64-$level"
        # What it has and what not: src/Kedge/Startup/PacketProgram.cs.
        compile "$tree" "lib/kedge/$level" "${target[@]}" -p:CarriesPacketsOnly=true "-p:IlcInstructionSet=x86-64-$level" \
            -p:OptimizationPreference=Speed
    done
}

# compile TREE FOLDER OPTION...: one native program.
compile() {
    local tree=$1 folder=$2 id symbols known
    shift 2
    # A library that finds its native library, Windows' folders and a reader's types by reflection, in code that Kedge never calls. What
    # trimming may break in any other package is an error.
    known='Microsoft\.Data\.Sqlite\.dll : warning IL2104'
    build publish src/Kedge --no-build "$@" -o "$tree/$folder" |
        awk -v known="$known" '/warning IL/ { if ($0 ~ known) next; bad = 1 } { print } END { exit bad }'
    id=$(readelf -n "$tree/$folder/kedge" | sed -n 's/.*Build ID: //p')
    symbols=$tree/lib/debug/.build-id/${id:0:2}
    mkdir -p "$symbols"
    mv "$tree/$folder/kedge.dbg" "$symbols/${id:2}.debug"
}

# publish_managed WHY TREE: one file that needs the .NET and ASP.NET Core runtimes.
publish_managed() {
    echo "There is no native program: $1. Publishing the one that needs .NET to run."
    build publish src/Kedge -o "$2/bin"
}
