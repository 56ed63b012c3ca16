namespace Kedge.Linux;

/// <summary>A system call failed.</summary>
public sealed class LinuxException : Exception
{
    /// <summary>Describes a failed system call.</summary>
    /// <param name="errno">The error number, such as 13 for EACCES.</param>
    /// <param name="operation">What was tried, such as <c>open</c>.</param>
    /// <param name="target">On what, such as <c>/dev/net/tun</c>.</param>
    public LinuxException(int errno, string operation, string target)
        : base($"{operation} {target}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)}")
    {
        Errno = errno;
        Operation = operation;
        Target = target;
    }

    /// <summary>The error number.</summary>
    public int Errno { get; }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <summary>On what it was tried.</summary>
    public string Target { get; }
}
