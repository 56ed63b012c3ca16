using System.Security.Cryptography;
using Kedge.Demo;

namespace Kedge.SystemTests.Containers;

/// <summary>
/// The image, made once for all tests that share it, and kept in <c>out/image</c> for as long as what is ours in it stays the same.
/// </summary>
public sealed class ContainerImage
{
    private static readonly string Script = Repository.PathOf("deploy/container/image");

    public ContainerImage()
    {
        string folder = Repository.PathOf("out/image");
        Archive = Path.Combine(folder, $"{HashOfInputs()}.tar");
        if (File.Exists(Archive))
            return;
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        string unfinished = Archive + ".new";
        Make(unfinished);
        File.Move(unfinished, Archive);
    }

    /// <summary>The archive for <c>docker load</c>.</summary>
    public string Archive { get; }

    /// <summary>Makes an archive.</summary>
    internal static void Make(string archive)
    {
        var command = new Command(Script, archive)
        {
            Environment = new Dictionary<string, string> { ["KEDGE_PROGRAM"] = Repository.Program },
            Timeout = TimeSpan.FromMinutes(5),
        };
        CommandResult made = RunningProcess.Run(command);
        Assert.True(made.Succeeded, made.Error);
    }

    private static string HashOfInputs()
    {
        string program = new FileInfo(Repository.Program).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Repository.Program;
        string others = Path.Combine(Path.GetDirectoryName(program)!, "../lib/kedge");
        string[] files = Directory.Exists(others) ? Directory.GetFiles(others, "*", SearchOption.AllDirectories) : [];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in files.Order(StringComparer.Ordinal).Concat([program, Script, Repository.PathOf("deploy/container/rp-tunnel")]))
            hash.AppendData(SHA256.HashData(File.ReadAllBytes(file)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
